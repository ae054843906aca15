package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// maxHandshake bounds a handshake including its waits for a turn.
const maxHandshake = 30 * time.Second

// link is one TCP connection below TLS. It lies there because http.Server
// wants to see the *tls.Conn itself.
type link struct {
	net.Conn // as WrapConn returned it
	raw      net.Conn
	port     *Port
	once     sync.Once

	turn *turn // not nil during the handshake of an incoming connection

	// Guarded by port.mu.
	kind  kind
	host  netip.Prefix
	pin   string     // the peer's key, "" while unknown
	share string     // whose share of the HTTPS connections it takes
	layer *RaftLayer // whose connection it is, for Raft
}

type kind int

const (
	dialled  kind = iota
	pending       // incoming, handshake not done
	served        // incoming, HTTPS
	raftPeer      // incoming, Raft
)

var errFull = errors.New("too many connections")

// open registers a connection. It fails once the port is closed, and for an
// incoming one whose host has too many.
func (p *Port) open(raw net.Conn, k kind) (*link, error) {
	l := &link{Conn: p.cfg.WrapConn(raw), raw: raw, port: p, kind: k}
	if k == pending {
		l.host = hostOf(raw.RemoteAddr())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return nil, net.ErrClosed
	}
	if k == pending {
		if p.hosts[l.host] >= p.cfg.MaxPerHost {
			return nil, fmt.Errorf("%w: %d of %s", errFull, p.cfg.MaxPerHost, l.host)
		}
		p.hosts[l.host]++
	}
	p.links[l] = struct{}{}
	return l, nil
}

// know registers whose connection a link is, and for what.
func (p *Port) know(l *link, k kind, pin string, layer *RaftLayer) error {
	share := l.host.String()
	if pin != "" && k == served {
		if who := p.cfg.Holder(pin); who != "" {
			share = who
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.links[l]; !ok || layer != nil && layer.ended() {
		return net.ErrClosed
	}
	switch k {
	case served:
		// Who is alone has half, each of n has 1/(n+1): there is always a
		// connection for who comes next.
		if own := p.shares[share]; own >= p.cfg.MaxConns-p.served {
			return fmt.Errorf("%w: %d for HTTPS of %s, of %d", errFull, own, share, p.served)
		}
		p.served++
		p.shares[share]++
		l.share = share
	case raftPeer:
		n := 0
		for other := range p.pins[pin] {
			if other.kind == raftPeer {
				n++
			}
		}
		if n >= p.cfg.MaxPerPeer {
			return fmt.Errorf("%w: %d for Raft of one peer", errFull, n)
		}
		p.leaveHost(l) // limits are for strangers
	}
	l.kind, l.pin, l.layer = k, pin, layer
	if pin != "" {
		if p.pins[pin] == nil {
			p.pins[pin] = map[*link]struct{}{}
		}
		p.pins[pin][l] = struct{}{}
	}
	return nil
}

// forget undoes open and know.
func (p *Port) forget(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
	if l.kind == served {
		p.served--
		if p.shares[l.share]--; p.shares[l.share] <= 0 {
			delete(p.shares, l.share)
		}
	}
	if l.kind == served || l.kind == pending {
		p.leaveHost(l)
	}
	if l.pin != "" {
		delete(p.pins[l.pin], l)
		if len(p.pins[l.pin]) == 0 {
			delete(p.pins, l.pin)
		}
	}
}

// leaveHost is called with mu held.
func (p *Port) leaveHost(l *link) {
	if p.hosts[l.host]--; p.hosts[l.host] <= 0 {
		delete(p.hosts, l.host)
	}
}

func hostOf(addr net.Addr) netip.Prefix {
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.Prefix{}
	}
	return Host(ap.Addr())
}

// Host is the range of addresses that counts as one client: the address
// itself, or for IPv6 its /64.
func Host(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := 64 // one subscriber has at least this much of IPv6
	if ip.Is4() {
		bits = 32
	}
	prefix, _ := ip.Prefix(bits)
	return prefix
}

func (l *link) Close() (err error) {
	l.once.Do(func() {
		l.port.forget(l)
		err = l.Conn.Close()
	})
	return err
}

// abort closes without sending what is still buffered.
func (l *link) abort() {
	if tcp, ok := l.raw.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	l.Close()
}

// Read gives up the turn to compute while it waits for the client.
func (l *link) Read(b []byte) (int, error) {
	if l.turn == nil {
		return l.Conn.Read(b)
	}
	l.endTurn()
	n, err := l.Conn.Read(b)
	if err != nil {
		return n, err
	}
	return n, l.takeTurn()
}

// turn is the right to compute a part of a handshake. It is held between the
// reads of the handshake and never during one, so that slow clients keep
// nobody waiting.
type turn struct {
	held            bool
	start, deadline time.Time // the deadline is for the client's part only
}

func (l *link) beginHandshake() error {
	now := time.Now()
	l.turn = &turn{start: now, deadline: now.Add(l.port.cfg.HandshakeTimeout)}
	return l.Conn.SetDeadline(l.turn.deadline)
}

func (l *link) endHandshake() error {
	l.endTurn()
	l.turn = nil
	return l.Conn.SetDeadline(time.Time{})
}

func (l *link) endTurn() {
	if l.turn.held {
		<-l.port.computing
		l.turn.held = false
	}
}

// takeTurn waits for a turn. The wait is ours, so the client gets as much
// longer, up to maxHandshake in all.
func (l *link) takeTurn() error {
	begin := time.Now()
	timer := time.NewTimer(l.turn.start.Add(maxHandshake).Sub(begin))
	defer timer.Stop()
	select {
	case l.port.computing <- struct{}{}:
	case <-timer.C:
		return os.ErrDeadlineExceeded
	case <-l.port.closed:
		return net.ErrClosed
	}
	l.turn.held = true
	l.turn.deadline = l.turn.deadline.Add(time.Since(begin))
	return l.Conn.SetDeadline(l.turn.deadline)
}
