package wire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

func raw(t testing.TB, p *Port) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// hello returns the first bytes of a client's handshake.
func hello(t testing.TB, pin string) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer b.Close()
	go tls.Client(a, certs.ClientConfig(nil, pin, ALPNHTTP)).Handshake()
	buf := make([]byte, 16<<10)
	n, err := b.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// halfOpen opens connections whose clients say nothing, half a hello, or a
// hello and no more.
func halfOpen(t *testing.T, p *Port, pin string) (open []net.Conn) {
	t.Helper()
	greeting := hello(t, pin)
	for i := range 60 {
		c := raw(t, p)
		c.Write([][]byte{nil, greeting[:100], greeting}[i%3])
		open = append(open, c)
	}
	return open
}

// Half-open connections keep nobody waiting, though only one handshake is
// computed at a time: others are served while all of them are still there.
func TestHalfOpenConnectionsBlockNobody(t *testing.T) {
	t.Parallel()
	r := newRecords()
	node, id := r.member(t, 1, func(c *Config) { c.MaxComputing = 1; c.HandshakeTimeout = maxHandshake })
	serve(t, node)
	halfOpen(t, node, id.Pin())
	for range 5 {
		if got := get(t, client(nil, id.Pin()), node); got != "nobody" {
			t.Error(got)
		}
	}
	if n := node.Counters.RefusedTimeout.Load(); n > 0 {
		t.Errorf("five requests were served only when %d half-open connections had ended", n)
	}
}

// They end in time, each of them.
func TestHalfOpenConnectionsEnd(t *testing.T) {
	t.Parallel()
	r := newRecords()
	node, id := r.member(t, 1, func(c *Config) { c.MaxComputing = 1; c.HandshakeTimeout = 200 * time.Millisecond })
	serve(t, node)
	for _, c := range halfOpen(t, node, id.Pin()) {
		wantEnd(t, c)
	}
	node.Close()
	if n := node.Counters.RefusedTimeout.Load(); n != 60 {
		t.Errorf("%d connections timed out", n)
	}
}

// Raft must not wait for ever for a node that takes a connection and is
// silent, as a stopped process does.
func TestDialEndsInTime(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	r := newRecords()
	node, id := r.member(t, 1, nil)
	r.at[silent.Addr().String()] = id.Pin()
	start := time.Now()
	_, err = node.Raft().Dial(address(&Port{listener: silent}), 200*time.Millisecond)
	if err == nil || time.Since(start) > DefaultHandshakeTimeout {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	if len(node.links) != 0 {
		t.Error("the connection is left open")
	}
}

// A burst of fresh connections is served, only slower. Not beside the tests
// with clusters: here the clients' work would be a burst of its own.
func TestABurstIsServed(t *testing.T) {
	r := newRecords()
	node, id := r.member(t, 1, func(c *Config) {
		c.MaxComputing, c.MaxPending, c.HandshakeTimeout = 1, 50, long
	})
	serve(t, node)
	var all sync.WaitGroup
	errs := make(chan error, 200)
	for range 200 {
		all.Go(func() {
			resp, err := client(nil, id.Pin()).Get("https://" + node.Addr().String())
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			if err != nil {
				errs <- err
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	if n := node.Counters.Handshakes.Load(); n != 200 {
		t.Errorf("%d handshakes", n)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	r := newRecords()
	full := make(chan error, 10)
	node, id := r.member(t, 1, func(c *Config) {
		c.MaxConns, c.MaxPerHost, c.MaxPerPeer = 4, 4, 3
		c.Refused = func(_ net.Addr, why string, err error) {
			if why != "full" {
				err = fmt.Errorf("%s: %w", why, err)
			}
			full <- err
		}
	})
	peer, _ := r.member(t, 2, nil)
	layer, to := peer.Raft(), node.Raft()
	web := func() *tls.Conn {
		c, err := tls.Dial("tcp", node.Addr().String(), certs.ClientConfig(nil, id.Pin(), ALPNHTTP))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	// Raft's connections count among themselves only.
	_, first := join(t, layer, to)
	_, second := join(t, layer, to)
	join(t, layer, to)
	if _, err := layer.Dial(address(node), long); fault.Code(err) != "peer_unavailable" {
		t.Errorf("a fourth connection: %v", err)
	}
	wantFull(t, full)
	first.Close()
	waitConns(t, node, 0, 2)
	join(t, layer, to)

	web() // no host has more than are left free
	web()
	waitConns(t, node, 2, 3)
	wantEnd(t, web())
	wantFull(t, full)
	silent := raw(t, node)
	raw(t, node)
	waitHost(t, node, 4)
	wantEnd(t, raw(t, node))
	wantFull(t, full)

	// What is closed makes room.
	silent.Close()
	waitHost(t, node, 3)
	<-full // the silent one, as no TLS
	second.Close()
	join(t, layer, to)
}

func wantFull(t *testing.T, full chan error) {
	t.Helper()
	select {
	case err := <-full:
		if err == nil || !isFull(err) {
			t.Errorf("refused because: %v", err)
		}
	case <-time.After(long):
		t.Fatal("nothing was refused")
	}
}

func TestHostOf(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.0.2.7:443":             "192.0.2.7/32",
		"[::ffff:192.0.2.7]:443":    "192.0.2.7/32",
		"[2001:db8:1:2:3::4%e0]:44": "2001:db8:1:2::/64",
	} {
		if got := hostOf(advertised(addr)); got != netip.MustParsePrefix(want) {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if hostOf(advertised("pipe")).IsValid() {
		t.Error("a pipe has a host")
	}
}

func isFull(err error) bool { return errors.Is(err, errFull) }

// waitFor waits for what has no channel of its own.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	look, late := time.NewTicker(2*time.Millisecond), time.After(long)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("never: %s", what)
		}
	}
}

func waitConns(t *testing.T, p *Port, https, raft int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d HTTPS and %d Raft connections", https, raft), func() bool {
		h, r := p.Conns()
		return h == https && r == raft
	})
}

func waitHost(t *testing.T, p *Port, n int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d connections of a host", n), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.hosts[netip.MustParsePrefix("127.0.0.1/32")] == n
	})
}
