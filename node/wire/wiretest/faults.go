// Package wiretest puts faults between nodes that run in one process: cut
// cables, lost packets and slow lines, per pair of named ends. Kernels in
// test machines often lack network emulation; this needs none.
package wiretest

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// Network is the cabling between named ends. All lines are sound at first.
// It is safe for concurrent use.
type Network struct {
	mu    sync.Mutex
	names map[string]string // address -> name
	ways  map[[2]string]*way
	conns map[*relay]struct{}
}

// way is one direction of a line.
type way struct {
	cut, held bool
	delay     time.Duration
	changed   chan struct{} // closed at each change
}

// New returns a network without faults.
func New() *Network {
	return &Network{names: map[string]string{}, ways: map[[2]string]*way{}, conns: map[*relay]struct{}{}}
}

// Name says whose address addr is. An address without a name is its own.
func (n *Network) Name(addr, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[addr] = name
}

// Cut breaks the line between two ends: open connections fail at once, and
// so do new ones.
func (n *Network) Cut(a, b string) { n.set(a, b, true, func(w *way) { w.cut = true }) }

// Hold loses every packet between two ends: nothing fails, nothing arrives.
// What was sent arrives after Heal, as TCP would send it again.
func (n *Network) Hold(a, b string) { n.set(a, b, true, func(w *way) { w.held = true }) }

// HoldOneWay is Hold for what goes from one end to the other.
func (n *Network) HoldOneWay(from, to string) {
	n.set(from, to, false, func(w *way) { w.held = true })
}

// Delay makes everything between two ends arrive later, in either direction,
// without narrowing the line.
func (n *Network) Delay(a, b string, d time.Duration) {
	n.set(a, b, true, func(w *way) { w.delay = d })
}

// Heal ends every fault between two ends.
func (n *Network) Heal(a, b string) {
	n.set(a, b, true, func(w *way) { w.cut, w.held, w.delay = false, false, 0 })
}

// HealAll ends every fault.
func (n *Network) HealAll() {
	n.mu.Lock()
	var pairs [][2]string
	for pair := range n.ways {
		pairs = append(pairs, pair)
	}
	n.mu.Unlock()
	for _, p := range pairs {
		n.Heal(p[0], p[1])
	}
}

func (n *Network) set(a, b string, both bool, change func(*way)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	pairs := [][2]string{{a, b}}
	if both {
		pairs = append(pairs, [2]string{b, a})
	}
	for _, pair := range pairs {
		w := n.way(pair[0], pair[1])
		change(w)
		close(w.changed)
		w.changed = make(chan struct{})
		if w.cut {
			for c := range n.conns {
				if c.from == pair[0] && c.to == pair[1] {
					go c.close()
				}
			}
		}
	}
}

// way is called with mu held.
func (n *Network) way(from, to string) *way {
	w := n.ways[[2]string{from, to}]
	if w == nil {
		w = &way{changed: make(chan struct{})}
		n.ways[[2]string{from, to}] = w
	}
	return w
}

func (n *Network) look(from, to string) way {
	n.mu.Lock()
	defer n.mu.Unlock()
	return *n.way(from, to)
}

// Dialer returns how the end named from makes connections; it fits
// wire.Config.Dialer.
func (n *Network) Dialer(from string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		n.mu.Lock()
		to, ok := n.names[addr]
		n.mu.Unlock()
		if !ok {
			to = addr
		}
		for _, pair := range [][2]string{{from, to}, {to, from}} { // SYN and its answer
			if err := n.pass(ctx, pair[0], pair[1], time.Now()); err != nil {
				return nil, fmt.Errorf("dial %s: %w", addr, err)
			}
		}
		far, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		near, inner := net.Pipe()
		r := &relay{network: n, from: from, to: to, far: far, near: inner, done: make(chan struct{})}
		n.mu.Lock()
		n.conns[r] = struct{}{}
		n.mu.Unlock()
		go r.pump(far, inner, from, to)
		go r.pump(inner, far, to, from)
		return named{near, far}, nil
	}
}

// pass returns when something sent at that time arrives.
func (n *Network) pass(ctx context.Context, from, to string, sent time.Time) error {
	for {
		w := n.look(from, to)
		if w.cut {
			return syscall.ECONNREFUSED
		}
		var due <-chan time.Time
		if !w.held {
			wait := time.Until(sent.Add(w.delay))
			if wait <= 0 {
				return nil
			}
			timer := time.NewTimer(wait)
			defer timer.Stop()
			due = timer.C
		}
		select {
		case <-w.changed:
		case <-due:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// relay carries one connection over the network.
type relay struct {
	network   *Network
	from, to  string
	far, near net.Conn
	once      sync.Once
	done      chan struct{}
}

func (r *relay) close() {
	r.once.Do(func() {
		close(r.done)
		r.far.Close()
		r.near.Close()
		r.network.mu.Lock()
		delete(r.network.conns, r)
		r.network.mu.Unlock()
	})
}

type chunk struct {
	bytes []byte
	sent  time.Time
}

// pump carries what src says to dst. The end of src arrives at dst after all
// that was said before.
func (r *relay) pump(dst io.Writer, src io.Reader, from, to string) {
	defer r.close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-r.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	chunks := make(chan chunk, 256) // as much as a socket would take on its way
	go func() {
		defer close(chunks)
		for {
			b := make([]byte, 32<<10)
			k, err := src.Read(b)
			if k > 0 {
				select {
				case chunks <- chunk{b[:k], time.Now()}:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range chunks {
		if r.network.pass(ctx, from, to, c.sent) != nil {
			return
		}
		if _, err := dst.Write(c.bytes); err != nil {
			return
		}
	}
	r.network.pass(ctx, from, to, time.Now()) // the FIN travels too
}

// named shows the addresses of the real connection.
type named struct {
	net.Conn
	real net.Conn
}

func (c named) LocalAddr() net.Addr  { return c.real.LocalAddr() }
func (c named) RemoteAddr() net.Addr { return c.real.RemoteAddr() }
