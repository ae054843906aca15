package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
)

// long is how long a test waits for what should happen at once.
const long = 20 * time.Second

func identity(t testing.TB, b byte) *certs.TLSIdentity {
	t.Helper()
	id, err := certs.NewTLSIdentity(bytes.Repeat([]byte{b}, certs.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// records is what the cluster's records say about keys, for all its nodes.
type records struct {
	mu      sync.Mutex
	nodes   map[string]string // pin -> node
	at      map[string]string // address -> pin
	revoked map[string]bool
}

func newRecords() *records {
	return &records{nodes: map[string]string{}, at: map[string]string{}, revoked: map[string]bool{}}
}

func (r *records) raftPeer(pin string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, ok := r.nodes[pin]
	return id, ok && !r.revoked[pin]
}

func (r *records) pinOf(addr raft.ServerAddress) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pin, ok := r.at[string(addr)]
	return pin, ok
}

func (r *records) httpsPeer(pin string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.revoked[pin] {
		return fault.New("key_revoked", "", "the key is revoked")
	}
	return nil
}

func (r *records) revoke(pin string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked[pin] = true
}

// member opens the port of a node that the records know.
func (r *records) member(t testing.TB, b byte, change func(*Config)) (*Port, *certs.TLSIdentity) {
	t.Helper()
	id := identity(t, b)
	cfg := Config{Identity: id, RaftPeer: r.raftPeer, PinOf: r.pinOf, HTTPSPeer: r.httpsPeer}
	if change != nil {
		change(&cfg)
	}
	p, err := Listen("127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	r.mu.Lock()
	r.nodes[id.Pin()] = fmt.Sprintf("node%d", b)
	r.at[p.Addr().String()] = id.Pin()
	r.mu.Unlock()
	return p, id
}

// serve answers HTTPS with the client's pin, or "nobody".
func serve(t testing.TB, p *Port) {
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || !r.TLS.HandshakeComplete {
			t.Error("http.Request.TLS is not set")
			return
		}
		pin, ok := certs.PinOf(*r.TLS)
		if !ok {
			pin = "nobody"
		}
		io.WriteString(w, pin)
	})}
	go server.Serve(p.HTTPS())
	t.Cleanup(func() { server.Close() })
}

func client(id *certs.TLSIdentity, pin string) *http.Client {
	return &http.Client{Timeout: long, Transport: &http.Transport{TLSClientConfig: certs.ClientConfig(id, pin, ALPNHTTP)}}
}

func get(t testing.TB, c *http.Client, p *Port) string {
	t.Helper()
	resp, err := c.Get("https://" + p.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func address(p *Port) raft.ServerAddress { return raft.ServerAddress(p.Addr().String()) }

// join makes one Raft connection and returns both of its ends.
func join(t testing.TB, from, to *RaftLayer) (near, far net.Conn) {
	t.Helper()
	near, err := from.Dial(raft.ServerAddress(to.port.Addr().String()), long)
	if err != nil {
		t.Fatal(err)
	}
	far, err = to.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// talk checks that a line works in both directions.
func talk(t testing.TB, a, b net.Conn) {
	t.Helper()
	for _, c := range [][2]net.Conn{{a, b}, {b, a}} {
		c[0].SetDeadline(time.Now().Add(long))
		c[1].SetDeadline(time.Now().Add(long))
		if _, err := c[0].Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(c[1], got); err != nil || string(got) != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// wantEnd checks that a connection is closed by the other side.
func wantEnd(t testing.TB, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(long))
	_, err := io.Copy(io.Discard, c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("the connection stays open: %v", err)
	}
}

func TestOnePortSpeaksRaftAndHTTPS(t *testing.T) {
	t.Parallel()
	r := newRecords()
	a, idA := r.member(t, 1, nil)
	b, idB := r.member(t, 2, nil)
	serve(t, b)
	near, far := join(t, a.Raft(), b.Raft())
	talk(t, near, far)
	if rc := far.(*RaftConn); rc.NodeID != "node1" || rc.Pin != idA.Pin() {
		t.Errorf("the peer is %q, %q", rc.NodeID, rc.Pin)
	}
	dealer := identity(t, 50)
	for name, want := range map[*certs.TLSIdentity]string{dealer: dealer.Pin(), idA: idA.Pin(), nil: "nobody"} {
		if got := get(t, client(name, idB.Pin()), b); got != want {
			t.Errorf("the server took %v for %q", name, got)
		}
	}
	// A node calls another one over the port's own dialler.
	peer := &http.Client{Transport: &http.Transport{DialTLSContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		return a.Dial(ctx, addr, idB.Pin())
	}}}
	if got := get(t, peer, b); got != idA.Pin() {
		t.Errorf("the server took the node for %q", got)
	}
	if n := b.Counters.Handshakes.Load(); n != 5 {
		t.Errorf("%d handshakes", n)
	}
	if n := a.Counters.Dialled.Load(); n != 2 {
		t.Errorf("%d dialled", n)
	}
	if https, raft := b.Conns(); https != 4 || raft != 1 {
		t.Errorf("%d and %d connections", https, raft)
	}
}

func TestStrangersAreRefusedWithAReason(t *testing.T) {
	t.Parallel()
	r := newRecords()
	var mu sync.Mutex
	var refused []string
	node, id := r.member(t, 1, func(c *Config) {
		c.Refused = func(_ net.Addr, why string, err error) {
			mu.Lock()
			defer mu.Unlock()
			refused = append(refused, why+" "+fault.Code(err))
		}
	})
	serve(t, node)
	node.Raft()

	// A stranger that knows our key.
	other, err := Listen("127.0.0.1:0", Config{Identity: identity(t, 9), PinOf: r.pinOf, RaftPeer: r.raftPeer})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_, err = other.Raft().Dial(address(node), long)
	if fault.Code(err) != "peer_refused" || !strings.Contains(err.Error(), node.Addr().String()) || fault.Hint(err) == "" {
		t.Errorf("a stranger: %v", err)
	}
	// An address where another key answers, and one that nobody knows.
	member, _ := r.member(t, 2, nil)
	r.at["127.0.0.1:1"] = id.Pin()
	r.at[other.Addr().String()] = id.Pin()
	layer := member.Raft()
	if _, err := layer.Dial(address(other), long); fault.Code(err) != "wrong_server_key" || !strings.Contains(err.Error(), identity(t, 9).Pin()) {
		t.Errorf("another key: %v", err)
	}
	if _, err := layer.Dial("127.0.0.1:2", long); fault.Code(err) != "peer_unknown" {
		t.Errorf("an unknown address: %v", err)
	}
	web, _ := r.member(t, 3, func(c *Config) { c.RaftPeer = nil })
	if _, err := layer.Dial(address(web), long); fault.Code(err) != "tls_protocol" {
		t.Errorf("a port without Raft: %v", err)
	}
	if _, err := layer.Dial("127.0.0.1:1", long); err == nil {
		t.Error("nobody answers")
	}

	try := func(change func(*tls.Config)) error {
		cfg := certs.ClientConfig(nil, id.Pin(), ALPNHTTP)
		change(cfg)
		c, err := tls.Dial("tcp", node.Addr().String(), cfg)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(long))
		if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			return err
		}
		answer, err := io.ReadAll(c)
		if err == nil && !strings.HasSuffix(string(answer), "nobody") {
			err = fmt.Errorf("the answer is %q", answer)
		}
		return err
	}
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.2":             func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 },
		"an unknown protocol": func(c *tls.Config) { c.NextProtos = []string{"h2", "spdy/1"} },
		"Raft, anonymously":   func(c *tls.Config) { c.NextProtos = []string{ALPNRaft}; c.VerifyConnection = nil },
	} {
		if err := try(change); err == nil {
			t.Errorf("%s was let in", name)
		} else if !strings.Contains(err.Error(), "remote error") {
			t.Errorf("%s: the client learns no reason: %v", name, err)
		}
	}
	for name, change := range map[string]func(*tls.Config){
		"no protocol":  func(c *tls.Config) { c.NextProtos, c.VerifyConnection = nil, nil },
		"as curl does": func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} },
	} {
		if err := try(change); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	member.Close()
	node.Close() // waits for the handshakes
	want := map[string]int{"peer peer_unknown": 2, "tls internal": 2}
	for _, why := range refused {
		want[why]--
	}
	for why, n := range want {
		if n != 0 {
			t.Errorf("%q: %d missing of %q", why, n, refused)
		}
	}
	if n := node.Counters.RefusedPeer.Load(); n != 2 {
		t.Errorf("%d peers refused", n)
	}
	if n := node.Counters.RefusedTLS.Load(); n != 2 {
		t.Errorf("%d refused by TLS", n)
	}
}

// Revoking a key cuts its holder off: connections end, and none comes back.
func TestCloseKeyCutsOff(t *testing.T) {
	t.Parallel()
	r := newRecords()
	a, idA := r.member(t, 1, nil)
	b, _ := r.member(t, 2, nil)
	c, _ := r.member(t, 3, nil)
	la, lb, lc := a.Raft(), b.Raft(), c.Raft()
	in, inFar := join(t, la, lb)
	out, outFar := join(t, lb, la)
	other, otherFar := join(t, lc, lb)
	serve(t, b)
	web, err := tls.Dial("tcp", b.Addr().String(), certs.ClientConfig(idA, b.cfg.Identity.Pin(), ALPNHTTP))
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	io.WriteString(web, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := io.ReadFull(web, make([]byte, 4)); err != nil { // it is served
		t.Fatal(err)
	}

	r.revoke(idA.Pin())
	if n := b.CloseKey(idA.Pin()); n != 3 {
		t.Errorf("%d connections closed", n)
	}
	for _, c := range []net.Conn{in, outFar, web} {
		wantEnd(t, c)
	}
	for _, c := range []net.Conn{inFar, out} {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a closed connection can be read")
		}
	}
	talk(t, other, otherFar)
	if _, err := la.Dial(address(b), long); fault.Code(err) != "peer_refused" {
		t.Errorf("Raft: %v", err)
	}
	if _, err := client(idA, b.cfg.Identity.Pin()).Get("https://" + b.Addr().String()); err == nil || !strings.Contains(err.Error(), "bad certificate") {
		t.Errorf("HTTPS: %v", err)
	}
	if n := b.CloseKey(idA.Pin()); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

// A key may be revoked while its holder's handshake is under way, after it
// was judged and before CloseKey could find the connection.
func TestAKeyIsJudgedAgainOnceRegistered(t *testing.T) {
	t.Parallel()
	r := newRecords()
	asked := 0
	node, _ := r.member(t, 1, func(c *Config) {
		c.RaftPeer = func(pin string) (string, bool) { asked++; return "x", asked == 1 }
	})
	node.Raft()
	peer, _ := r.member(t, 2, nil)
	if _, err := peer.Raft().Dial(address(node), long); err == nil {
		t.Fatal("the key was let in")
	}
	node.Close()
	if asked != 2 || node.Counters.RefusedPeer.Load() != 1 {
		t.Errorf("asked %d times, refused %d", asked, node.Counters.RefusedPeer.Load())
	}
}

func TestRaftCanBeStartedAnew(t *testing.T) {
	t.Parallel()
	r := newRecords()
	a, _ := r.member(t, 1, func(c *Config) { c.Advertise = "node1.example:7000" })
	b, _ := r.member(t, 2, nil)
	la := a.Raft()
	if la.Addr().String() != "node1.example:7000" || la.Addr().Network() != "tcp" {
		t.Errorf("Raft's address is %v", la.Addr())
	}
	if _, err := la.Dial(address(b), long); fault.Code(err) != "peer_unavailable" {
		t.Errorf("a node without Raft: %v", err)
	}
	first := b.Raft()
	near, far := join(t, la, first)
	second := b.Raft()
	if _, err := first.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the old layer accepts: %v", err)
	}
	if _, err := first.Dial(address(a), long); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the old layer dials: %v", err)
	}
	wantEnd(t, near)
	if _, err := far.Read(make([]byte, 1)); err == nil {
		t.Error("a connection of the old layer can be read")
	}
	near, far = join(t, la, second)
	talk(t, near, far)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := la.Dial(address(b), long); fault.Code(err) != "peer_unavailable" {
		t.Errorf("after Raft ended: %v", err)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	r := newRecords()
	a, _ := r.member(t, 1, nil)
	b, idB := r.member(t, 2, nil)
	la, lb := a.Raft(), b.Raft()
	near, _ := join(t, la, lb)
	waits, err := la.Dial(address(b), long) // nobody accepts it
	if err != nil {
		t.Fatal(err)
	}
	silent, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	web, err := tls.Dial("tcp", b.Addr().String(), certs.ClientConfig(nil, idB.Pin(), ALPNHTTP))
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{near, waits, silent, web} {
		wantEnd(t, c)
	}
	if _, err := b.HTTPS().Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := b.Raft().Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := b.Dial(context.Background(), a.Addr().String(), idB.Pin()); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if https, raft := b.Conns(); https != 0 || raft != 0 || len(b.links) != 0 || len(b.pins) != 0 || len(b.hosts) != 0 {
		t.Errorf("left: %d, %d, %v, %v", https, raft, b.pins, b.hosts)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
