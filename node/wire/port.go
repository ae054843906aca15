package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

// The protocols of the port, as ALPN names them.
const (
	ALPNRaft = "milepost-raft/1"
	ALPNHTTP = "http/1.1"
)

// Defaults of Config.
const (
	DefaultHandshakeTimeout = 5 * time.Second
	DefaultMaxPending       = 2048
	DefaultMaxConns         = 4096
	DefaultMaxPerHost       = 1536 // less than MaxPending: no one host fills that
	DefaultMaxPerPeer       = 64
)

// Config is who a port belongs to and whom it lets in.
type Config struct {
	Identity *certs.TLSIdentity

	// RaftPeer returns the node that a key belongs to, if that node may
	// speak Raft with us. Nil: the port offers no Raft.
	RaftPeer func(pin string) (nodeID string, ok bool)
	// PinOf returns the key that is expected at a Raft address.
	PinOf func(addr raft.ServerAddress) (pin string, ok bool)
	// HTTPSPeer refuses keys, such as revoked ones, on HTTPS. Nil: none. It
	// is not asked about anonymous clients.
	HTTPSPeer func(pin string) error
	// Holder names whom a key belongs to, as one of those who share the
	// connections; "" for nobody who is known, who then counts by address.
	Holder func(pin string) string
	// Advertise is the address by which the other nodes know this one; ""
	// means the address that is listened on.
	Advertise string

	HandshakeTimeout time.Duration // for a client's part of a handshake, and for a whole Dial
	MaxComputing     int           // handshakes computed at a time; 0 means one per two cores, so that they leave some
	MaxPending       int           // connections whose handshake is not done; more wait in the kernel
	MaxConns         int           // HTTPS connections, of which no holder has more than are left free
	MaxPerHost       int           // HTTPS and pending connections of one address (IPv6: one /64)
	MaxPerPeer       int           // incoming Raft connections of one key

	// Dialer makes outgoing connections and WrapConn wraps each connection,
	// below TLS. Tests inject faults there.
	Dialer   func(ctx context.Context, network, addr string) (net.Conn, error)
	WrapConn func(net.Conn) net.Conn
	// Refused is told of each incoming connection that is not let in. The
	// reason is full, timeout, tls or peer.
	Refused func(remote net.Addr, reason string, err error)
}

// Counters count since Listen. They only rise.
type Counters struct {
	Accepted       atomic.Uint64 // incoming connections
	Handshakes     atomic.Uint64 // of these, let in
	Dialled        atomic.Uint64 // outgoing connections, handshake done
	RefusedFull    atomic.Uint64 // over a limit of connections
	RefusedTimeout atomic.Uint64 // too slow in the handshake
	RefusedTLS     atomic.Uint64 // no TLS 1.3, no common protocol, unusable certificate
	RefusedPeer    atomic.Uint64 // a key that a hook refused
}

// keepAlive finds a dead peer in 10 + 3*5 seconds.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

// Port is an open port.
type Port struct {
	Counters Counters

	cfg       Config
	listener  net.Listener
	self      atomic.Pointer[self]
	alpn      []string
	https     *door
	computing chan struct{} // a turn to compute a handshake
	pending   chan struct{} // a place for a connection without handshake
	closed    chan struct{}
	running   sync.WaitGroup // the accept loop and the handshakes

	mu     sync.Mutex // guards what follows and the marked fields of links
	done   bool
	links  map[*link]struct{}
	pins   map[string]map[*link]struct{}
	hosts  map[netip.Prefix]int // pending and HTTPS links
	served int                  // HTTPS links
	shares map[string]int       // of these, by holder
	raft   *RaftLayer           // nil while nobody listens for Raft
}

// Listen opens a port at addr, host:port.
func Listen(addr string, cfg Config) (*Port, error) {
	if cfg.Identity == nil {
		return nil, fault.New("tls_key", "", "a port needs a TLS key")
	}
	setDefault(&cfg.HandshakeTimeout, DefaultHandshakeTimeout)
	setDefault(&cfg.MaxComputing, max(1, runtime.GOMAXPROCS(0)/2))
	setDefault(&cfg.MaxPending, DefaultMaxPending)
	setDefault(&cfg.MaxConns, DefaultMaxConns)
	setDefault(&cfg.MaxPerHost, DefaultMaxPerHost)
	setDefault(&cfg.MaxPerPeer, DefaultMaxPerPeer)
	if cfg.Dialer == nil {
		cfg.Dialer = (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext
	}
	if cfg.WrapConn == nil {
		cfg.WrapConn = func(c net.Conn) net.Conn { return c }
	}
	if cfg.Holder == nil {
		cfg.Holder = func(string) string { return "" }
	}
	if cfg.Refused == nil {
		cfg.Refused = func(net.Addr, string, error) {}
	}
	listener, err := (&net.ListenConfig{KeepAliveConfig: keepAlive}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("open the node's port: %w", err)
	}
	p := &Port{
		cfg:       cfg,
		listener:  listener,
		computing: make(chan struct{}, cfg.MaxComputing),
		pending:   make(chan struct{}, cfg.MaxPending),
		closed:    make(chan struct{}),
		links:     map[*link]struct{}{},
		pins:      map[string]map[*link]struct{}{},
		hosts:     map[netip.Prefix]int{},
		shares:    map[string]int{},
	}
	p.https = newDoor(listener.Addr())
	alpn := []string{ALPNHTTP}
	if cfg.RaftPeer != nil {
		alpn = []string{ALPNRaft, ALPNHTTP}
	}
	// A client that offers protocols, none of them ours, fails in the
	// handshake; one that offers none at all is taken to speak HTTP/1.1.
	p.alpn = alpn
	p.SetIdentity(cfg.Identity)
	p.running.Go(p.accept)
	return p, nil
}

// SetIdentity makes the port identify itself with another key, towards
// whoever connects from now on and whomever it dials.
func (p *Port) SetIdentity(id *certs.TLSIdentity) {
	p.self.Store(&self{id, certs.ServerConfig(id, p.admits, p.alpn...)})
}

// self is what the port identifies itself with.
type self struct {
	identity *certs.TLSIdentity
	server   *tls.Config
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Addr returns the address that is listened on.
func (p *Port) Addr() net.Addr { return p.listener.Addr() }

// HTTPS returns the listener of the HTTPS connections, for http.Server.Serve.
// Its connections are *tls.Conn whose handshake is done. Closing it ends
// HTTPS for good.
func (p *Port) HTTPS() net.Listener { return p.https }

// Conns returns how many HTTPS connections are open, and how many of Raft,
// either direction.
func (p *Port) Conns() (https, raft int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if l.layer != nil {
			raft++
		}
	}
	return p.served, raft
}

// CloseKey closes every connection with the holder of a key at once, without
// the politeness of TLS, and returns how many there were. Make the hooks
// refuse the key first.
func (p *Port) CloseKey(pin string) int {
	p.mu.Lock()
	var links []*link
	for l := range p.pins[pin] {
		links = append(links, l)
	}
	p.mu.Unlock()
	for _, l := range links {
		l.abort()
	}
	return len(links)
}

// Close closes the port and every connection, and waits for the handshakes
// to end. For a graceful end shut down Raft and HTTP first.
func (p *Port) Close() error {
	p.mu.Lock()
	if p.done {
		p.mu.Unlock()
		return nil
	}
	p.done = true
	var links []*link
	for l := range p.links {
		links = append(links, l)
	}
	layer := p.raft
	p.mu.Unlock()
	close(p.closed)
	err := p.listener.Close()
	p.https.Close()
	if layer != nil {
		layer.Close()
	}
	for _, l := range links {
		l.Close()
	}
	p.running.Wait()
	if err != nil {
		return fmt.Errorf("close the node's port: %w", err)
	}
	return nil
}

// admits judges a key for a protocol: in the handshake, and again once the
// connection is registered.
func (p *Port) admits(pin, alpn string) error {
	if alpn == ALPNRaft {
		if pin == "" {
			return fault.New("peer_unknown", "", "a client without a TLS key asks to speak Raft")
		}
		if _, ok := p.cfg.RaftPeer(pin); !ok {
			return fault.New("peer_unknown", "", "TLS key "+pin+" belongs to no node of this cluster")
		}
		return nil
	}
	if pin == "" || p.cfg.HTTPSPeer == nil {
		return nil
	}
	return p.cfg.HTTPSPeer(pin)
}

// door is a net.Listener that is handed its connections.
type door struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newDoor(addr net.Addr) *door {
	return &door{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// hand gives c to Accept, or closes it if nobody will ask any more.
func (d *door) hand(c net.Conn) {
	select {
	case d.conns <- c:
	case <-d.closed:
		c.Close()
	}
}

func (d *door) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.closed:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: d.addr, Err: net.ErrClosed}
	}
}

func (d *door) Addr() net.Addr { return d.addr }

func (d *door) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}
