package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

// welcomed is the one byte by which the accepting node says that it has
// checked the other's key. A TLS 1.3 client has its handshake behind it
// before the server has looked at its certificate; without this byte a
// refusal would first show as an odd error of some later request.
const welcomed = 0x01

// stall is how long data on a Raft connection may stay unacknowledged. It is
// longer than store.DefaultMaxWait, during which a follower may not read.
const stall = 15 * time.Second

// RaftLayer is the raft.StreamLayer of a port. Its connections are RaftConn.
type RaftLayer struct {
	*door
	port *Port
}

var _ raft.StreamLayer = (*RaftLayer)(nil)

// RaftConn is a connection with a node of the cluster.
type RaftConn struct {
	*tls.Conn
	NodeID string // as RaftPeer named it; "" on the dialling side
	Pin    string
	layer  *RaftLayer
}

// Read returns io.EOF once the layer is closed, so that Raft's transport does
// not log its own end as an error on every connection.
func (c *RaftConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && c.layer.ended() {
		err = io.EOF
	}
	return n, err
}

// Raft returns a new stream layer. One is open at a time: the one before is
// closed with its connections, since raft.NetworkTransport closes its stream
// layer for good and a node may have to start its Raft anew.
func (p *Port) Raft() *RaftLayer {
	addr := p.listener.Addr()
	if p.cfg.Advertise != "" {
		addr = advertised(p.cfg.Advertise)
	}
	layer := &RaftLayer{door: newDoor(addr), port: p}
	p.mu.Lock()
	before := p.raft
	p.raft = layer
	done := p.done
	p.mu.Unlock()
	if before != nil {
		before.Close()
	}
	if done {
		layer.Close()
	}
	return layer
}

type advertised string

func (a advertised) Network() string { return "tcp" }
func (a advertised) String() string  { return string(a) }

// Close ends the layer and closes its connections, also those that Raft's
// transport still reads from.
func (r *RaftLayer) Close() error {
	r.door.Close()
	p := r.port
	p.mu.Lock()
	if p.raft == r {
		p.raft = nil
	}
	var links []*link
	for l := range p.links {
		if l.layer == r {
			links = append(links, l)
		}
	}
	p.mu.Unlock()
	for _, l := range links {
		l.Close()
	}
	return nil
}

func (r *RaftLayer) ended() bool {
	select {
	case <-r.closed:
		return true
	default:
		return false
	}
}

// Dial connects to the node at an address, whose key Config.PinOf must know,
// and returns when both ends have accepted each other. Codes: peer_unknown,
// wrong_server_key, peer_refused, peer_unavailable, tls_protocol.
func (r *RaftLayer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	p := r.port
	if p.cfg.PinOf == nil {
		return nil, fault.New("peer_unknown", string(address), "no TLS key is known for this address")
	}
	pin, ok := p.cfg.PinOf(address)
	if !ok {
		return nil, fault.New("peer_unknown", string(address), "no TLS key is known for this address")
	}
	ctx, cancel := context.WithCancel(context.Background())
	if timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	conn, err := p.dial(ctx, string(address), pin, ALPNRaft, r)
	if err != nil {
		return nil, err
	}
	if again, ok := p.cfg.PinOf(address); !ok || again != pin {
		conn.Close()
		return nil, fault.New("peer_unknown", string(address), "the node's TLS key was changed meanwhile")
	}
	return &RaftConn{Conn: conn, Pin: pin, layer: r}, nil
}

// Dial connects to the node at addr, whose key must be pin, for HTTPS; it
// serves as http.Transport.DialTLSContext. Refusals of our own key show at
// the first read only.
func (p *Port) Dial(ctx context.Context, addr, pin string) (net.Conn, error) {
	conn, err := p.dial(ctx, addr, pin, ALPNHTTP, nil)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

func (p *Port) dial(ctx context.Context, addr, pin, alpn string, layer *RaftLayer) (conn *tls.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.HandshakeTimeout)
	defer cancel()
	raw, err := p.cfg.Dialer(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	l, err := p.open(raw, dialled)
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	if err := p.know(l, dialled, pin, layer); err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	deadline, _ := ctx.Deadline()
	l.SetDeadline(deadline)
	conn = tls.Client(l, certs.ClientConfig(p.self.Load().identity, pin, alpn))
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, dialError(addr, err)
	}
	if layer != nil {
		boundStall(raw)
		var b [1]byte
		if _, err := io.ReadFull(conn, b[:]); err != nil {
			return nil, dialError(addr, err)
		}
		if b[0] != welcomed {
			return nil, fault.New("tls_protocol", addr, "the node speaks another version of Raft's protocol")
		}
	}
	p.Counters.Dialled.Add(1)
	return conn, l.SetDeadline(time.Time{})
}

// dialError tells a refusal by the other end from a failure on the way.
func dialError(addr string, err error) error {
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "remote error" && strings.HasSuffix(err.Error(), "no application protocol"):
		return fault.New("tls_protocol", addr, "the node does not speak this protocol here").Because(err)
	case errors.As(err, &op) && op.Op == "remote error": // an alert, says crypto/tls
		return fault.New("peer_refused", addr, "the node refuses this node's TLS key").Because(err).
			WithHint("check that the other node's records or cluster.toml hold this node's current TLS key")
	case errors.Is(err, io.EOF):
		return fault.New("peer_unavailable", addr, "the node does not run Raft at the moment").Because(err)
	case fault.Code(err) != "internal":
		return fault.New(fault.Code(err), addr, "the node there is not the expected one").Because(err)
	}
	return fmt.Errorf("handshake with %s: %w", addr, err)
}

// welcome tells the peer that it is let in.
func (r *RaftLayer) welcome(conn *tls.Conn, l *link, pin string) (net.Conn, error) {
	boundStall(l.raw)
	id, _ := r.port.cfg.RaftPeer(pin)
	l.SetDeadline(time.Now().Add(r.port.cfg.HandshakeTimeout))
	if _, err := conn.Write([]byte{welcomed}); err != nil {
		return nil, err
	}
	return &RaftConn{Conn: conn, NodeID: id, Pin: pin, layer: r}, l.SetDeadline(time.Time{})
}
