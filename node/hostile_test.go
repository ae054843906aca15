package node_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
)

// siege is what one hostile client after the other does to a node.
type siege struct {
	c        *cluster
	address  string
	pin      string
	dial     node.DialFunc // from an address of its own, where there is one
	bad      []request
	hello    []byte
	keys     map[string]*certs.TLSIdentity // member, node, stranger; nil for nobody
	outcomes sync.Map                      // kind and outcome -> *atomic.Int64

	mu   sync.Mutex
	held []net.Conn // connections that are kept open, and say no more
}

const maxHeld = 400

// attack is a kind of bad request. The outcome is a word or two: a status,
// how a connection ended.
type attack struct {
	kind   string
	weight int
	do     func(*siege, *attacker) string
}

// attacker is one hostile client.
type attacker struct {
	rand    *mathrand.Rand
	clients map[string]*node.Client
}

var attacks = []attack{
	{"a bad record by a member", 30, func(s *siege, a *attacker) string {
		r := s.bad[a.rand.IntN(len(s.bad))]
		return s.call(a, "member", r.method, r.path, r.content, r.body)
	}},
	{"a bulk of bad records by a member", 2, func(s *siege, a *attacker) string {
		var notes []string
		for range 50 {
			notes = append(notes, strconv.Quote(strings.ToValidUTF8(string(s.bad[a.rand.IntN(len(s.bad))].body), "?")))
		}
		return s.call(a, "member", "POST", "/v1/records", "application/json", []byte(`{"notes":[`+strings.Join(notes, ",")+`]}`))
	}},
	{"an API request of any kind", 25, func(s *siege, a *attacker) string {
		paths := []string{"/v1/records", "/v1/records/check", "/v1/vehicles/" + vin(1), "/v1/vehicles/%00", "/v1/status?consistency=loose", "/tile/entries/000", "/tile/9/999", "/add-checkpoint",
			"/v1/heads", "/v1/ledger/1", "/v1/backup", "/v1/../etc/passwd", "/metrics", "/v1/records/" + strings.Repeat("ab", 32) + "/receipt", "/" + string(a.noise(20, 'a', 'z'))}
		methods := []string{"GET", "POST", "PUT", "DELETE", "HEAD", "TRACE"}
		who := []string{"", "stranger", "member"}
		return s.call(a, who[a.rand.IntN(3)], methods[a.rand.IntN(6)], paths[a.rand.IntN(len(paths))], "application/json", a.noise(a.rand.IntN(2000), 0, 255))
	}},
	{"garbage to cosign, by a node's key", 8, func(s *siege, a *attacker) string {
		body := append([]byte("old 0\n\n"+s.c.origin+"\n"), a.noise(200, 0, 255)...)
		return s.call(a, "node", "POST", []string{"/add-checkpoint", "/v1/heads"}[a.rand.IntN(2)], "", body)
	}},
	{"fuzzed HTTP over TLS", 5, func(s *siege, a *attacker) string {
		sound := []byte("POST /v1/records HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nmilep\r\n0\r\n\r\n")
		return s.over(a, "member", "http/1.1", a.mutated(sound), false)
	}},
	{"bytes that are no TLS", 12, func(s *siege, a *attacker) string {
		return s.plain(a.noise(1+a.rand.IntN(600), 0, 255), false)
	}},
	{"a fuzzed TLS hello", 6, func(s *siege, a *attacker) string { return s.plain(a.mutated(s.hello), false) }},
	{"Raft without a node's key", 4, func(s *siege, a *attacker) string {
		return s.over(a, []string{"", "stranger", "member"}[a.rand.IntN(3)], "milepost-raft/1", a.noise(50, 0, 255), false)
	}},
	{"garbage on Raft, by a node's key", 4, func(s *siege, a *attacker) string {
		// No command that there is, and sound ones cut off or with a length
		// of gigabytes.
		starts := [][]byte{{byte(6 + a.rand.IntN(250))}, {0, 0x8c, 0xa4, 'T', 'e', 'r', 'm'}, {0, 0xdd, 0xff, 0xff, 0xff, 0xff}, {1, 0xc6, 0x7f, 0xff, 0xff, 0xff}, {0, 0xc1}}
		return s.over(a, "node", "milepost-raft/1", append(starts[a.rand.IntN(len(starts))], 0xc1), false)
	}},
	{"half-open: nothing, or half a TLS hello, and kept", 2, func(s *siege, a *attacker) string {
		return s.plain(s.hello[:a.rand.IntN(len(s.hello))], true)
	}},
	{"slow: half a request, and kept", 2, func(s *siege, a *attacker) string {
		sound := "POST /v1/records HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{\"notes\":["
		return s.over(a, []string{"", "member"}[a.rand.IntN(2)], "http/1.1", []byte(sound[:1+a.rand.IntN(len(sound)-1)]), true)
	}},
}

func (a *attacker) noise(n int, lo, hi byte) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = lo + byte(a.rand.IntN(int(hi)-int(lo)+1))
	}
	return out
}

// mutated changes, cuts or doubles some bytes.
func (a *attacker) mutated(b []byte) []byte {
	b = slices.Clone(b)
	for range 1 + a.rand.IntN(8) {
		switch i := a.rand.IntN(len(b)); a.rand.IntN(4) {
		case 0:
			b[i] ^= byte(1 << a.rand.IntN(8))
		case 1:
			b = b[:max(i, 1)]
		case 2:
			b = slices.Insert(b, i, a.noise(1+a.rand.IntN(20), 0, 255)...)
		case 3:
			binary.BigEndian.PutUint16(append(b[i:i:i], 0, 0), uint16(a.rand.IntN(1<<16)))
			b[i] = 0xff
		}
	}
	return b
}

const attackTimeout = 10 * time.Second

// call makes a request over a connection that is kept for the next one.
func (s *siege) call(a *attacker, who, method, path, content string, body []byte) string {
	cl := a.clients[who]
	if cl == nil {
		cl = node.NewClient(s.address, s.pin, s.keys[who], s.dial)
		a.clients[who] = cl
	}
	ctx, cancel := context.WithTimeout(context.Background(), attackTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "https://"+s.address+path, bytes.NewReader(body))
	if err != nil {
		return "not sent"
	}
	if content != "" {
		req.Header.Set("Content-Type", content)
	}
	resp, err := cl.Raw(req)
	if err != nil {
		return "cut off"
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return strconv.Itoa(resp.StatusCode)
}

// over sends bytes on a fresh TLS connection.
func (s *siege) over(a *attacker, who, alpn string, data []byte, keep bool) string {
	ctx, cancel := context.WithTimeout(context.Background(), attackTimeout)
	defer cancel()
	raw, err := s.dial(ctx, "tcp", s.address)
	if err != nil {
		return "not connected"
	}
	raw.SetDeadline(time.Now().Add(attackTimeout))
	conn := tls.Client(raw, certs.ClientConfig(s.keys[who], s.pin, alpn))
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return "no handshake"
	}
	return s.send(conn, data, keep)
}

// plain sends bytes without TLS.
func (s *siege) plain(data []byte, keep bool) string {
	ctx, cancel := context.WithTimeout(context.Background(), attackTimeout)
	defer cancel()
	raw, err := s.dial(ctx, "tcp", s.address)
	if err != nil {
		return "not connected"
	}
	return s.send(raw, data, keep)
}

func (s *siege) send(conn net.Conn, data []byte, keep bool) string {
	conn.SetDeadline(time.Now().Add(attackTimeout))
	conn.Write(data)
	if !keep {
		// It is not waited for: what the node makes of it is its business.
		conn.Close()
		return "sent"
	}
	s.mu.Lock()
	s.held = append(s.held, conn)
	var oldest net.Conn
	if len(s.held) > maxHeld {
		oldest, s.held = s.held[0], s.held[1:]
	}
	s.mu.Unlock()
	if oldest != nil {
		oldest.Close()
	}
	return "kept open"
}

// run makes so many bad requests, at most so many at a time and a second: the
// attackers compute on the cores of those whom they attack, and more of them
// would measure how fast they are themselves.
func (s *siege) run(seed uint64, count, workers, perSecond int) {
	begun := time.Now()
	weights := 0
	for _, k := range attacks {
		weights += k.weight
	}
	var next atomic.Int64
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			a := &attacker{rand: mathrand.New(mathrand.NewPCG(seed, uint64(w))), clients: map[string]*node.Client{}}
			for i := next.Add(1); i <= int64(count); i = next.Add(1) {
				pause(time.Until(begun.Add(time.Duration(i) * time.Second / time.Duration(perSecond))))
				pick := a.rand.IntN(weights)
				for _, k := range attacks {
					if pick -= k.weight; pick < 0 {
						n, _ := s.outcomes.LoadOrStore(k.kind+": "+k.do(s, a), new(atomic.Int64))
						n.(*atomic.Int64).Add(1)
						break
					}
				}
			}
			for _, cl := range a.clients {
				cl.Close()
			}
		})
	}
	all.Wait()
}

// honest is a load of readings by a member, one at a time by each client.
type honest struct {
	acked atomic.Int64
	stop  chan struct{}
	all   sync.WaitGroup
}

func (c *cluster) honest(at string, clients int) *honest {
	h := &honest{stop: make(chan struct{})}
	cl := c.as(at, dealer)
	for range clients {
		h.all.Go(func() {
			for {
				select {
				case <-h.stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				ans, err := cl.Submit(ctx, c.reading(newVIN(), 10))
				cancel()
				switch {
				case err == nil && ans.Records[0].Status == "accepted":
					h.acked.Add(1)
				case err == nil || !outage(err):
					c.t.Errorf("an honest record: %+v, %v (%s)", ans, err, fault.Code(err))
					return
				}
			}
		})
	}
	return h
}

// rate is how many records a second are acknowledged while fn runs.
func (h *honest) rate(fn func()) float64 {
	begun, before := time.Now(), h.acked.Load()
	fn()
	return float64(h.acked.Load()-before) / time.Since(begun).Seconds()
}

// memory is how much a process holds that is no mapped file, in MiB; 0 where
// that can't be told.
func memory(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return kb >> 10
		}
	}
	return 0
}

// A running node is sent bad requests of all kinds, on the API and on Raft,
// with and without sound TLS, half-open and slow. It goes on, its memory stays
// bounded, and honest clients are served meanwhile. `make hostile` sends
// 100,000 and holds the honest clients' speed to at least half.
func TestHostile(t *testing.T) {
	t.Parallel()
	const perSecond = 1000
	count, window, seed := 1000, 500*time.Millisecond, uint64(1)
	if raceEnabled || testing.Short() {
		count = 200
	}
	long := os.Getenv("MILEPOST_TEST_HOSTILE") != ""
	if long {
		var err error
		count, err = strconv.Atoi(os.Getenv("MILEPOST_TEST_HOSTILE"))
		must(t, err)
		window, seed = 15*time.Second, uint64(time.Now().UnixNano())
		if text := os.Getenv("MILEPOST_TEST_SEED"); text != "" {
			seed, err = strconv.ParseUint(text, 10, 64)
			must(t, err)
		}
	}
	c := newCluster(t, nil)
	p := newProcesses(t, c.Cluster.Cluster)
	for _, n := range c.Cluster.Cluster.Nodes {
		must(t, p.start(n.ID))
	}
	w := &remote{c}
	w.leader()
	eventually(t, "admissions at all nodes", func() bool {
		for _, n := range c.Cluster.Cluster.Nodes {
			if w.status(n.ID) == nil {
				return false
			}
		}
		return true
	})
	target := w.leader()
	for _, n := range c.Cluster.Cluster.Nodes {
		c.ack(n.ID, c.reading(newVIN(), 10))
	}
	entry, err := c.Cluster.Cluster.Node(target)
	must(t, err)
	// An event in the future is one no more when the siege has lasted a minute.
	bad := slices.DeleteFunc(c.badRecords(), func(r request) bool { return r.code == "future" })
	s := &siege{c: c, address: entry.Address, bad: bad, keys: map[string]*certs.TLSIdentity{}}
	s.pin, err = c.key("node/"+target, keyfile.UseTLS).Public()
	must(t, err)
	other := map[string]string{"member": other, "node": "node/mutual"}
	for who, holder := range other {
		s.keys[who], err = c.key(holder, keyfile.UseTLS).TLS()
		must(t, err)
	}
	s.keys["stranger"] = c.callers(target, "stranger").Identity()
	dialer := net.Dialer{Timeout: attackTimeout}
	if runtime.GOOS == "linux" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}
	}
	s.dial = dialer.DialContext
	a, b := net.Pipe()
	go tls.Client(a, certs.ClientConfig(nil, s.pin, "http/1.1")).Handshake()
	s.hello = make([]byte, 16<<10)
	n, err := b.Read(s.hello)
	must(t, err)
	a.Close()
	s.hello = s.hello[:n]

	pid := p.byID[target].cmd.Process.Pid
	h := c.honest(target, 16)
	quiet := func() { pause(window) }
	h.rate(quiet) // warm
	before := h.rate(quiet)
	memoryBefore, most := memory(pid), 0
	begun := time.Now()
	attacked := h.rate(func() {
		done := make(chan struct{})
		go func() { s.run(seed, count, 16, perSecond); close(done) }()
		look := time.NewTicker(100 * time.Millisecond)
		defer look.Stop()
		for going := true; going; {
			select {
			case <-done:
				going = false
			case <-look.C:
			}
			most = max(most, memory(pid))
		}
	})
	took := time.Since(begun)
	for _, conn := range s.held {
		conn.Close()
	}
	after := h.rate(quiet)
	close(h.stop)
	h.all.Wait()

	var lines []string
	s.outcomes.Range(func(k, v any) bool {
		lines = append(lines, fmt.Sprintf("%7d  %s", v.(*atomic.Int64).Load(), k))
		if strings.HasSuffix(k.(string), ": 200") && !strings.HasPrefix(k.(string), "an API request") && !strings.HasPrefix(k.(string), "a bulk") || strings.HasSuffix(k.(string), ": 500") {
			t.Error(k)
		}
		return true
	})
	slices.Sort(lines)
	ratio := attacked / ((before + after) / 2)
	t.Logf("%d bad requests in %.1f s, %.0f a second, at %s, the leader; seed %d\n%s", count, took.Seconds(), float64(count)/took.Seconds(), target, seed, strings.Join(lines, "\n"))
	t.Logf("memory of the node: %d MiB before, at most %d meanwhile, %d after", memoryBefore, most, memory(pid))
	t.Logf("honest records a second: %.0f before, %.0f meanwhile, %.0f after: %.2f of the speed", before, attacked, after, ratio)

	select {
	case <-p.byID[target].ended:
		t.Fatalf("%s has ended: %v", target, p.byID[target].err)
	default:
	}
	for _, n := range c.Cluster.Cluster.Nodes {
		c.ack(n.ID, c.reading(newVIN(), 10))
	}
	if most > memoryBefore+512 {
		t.Errorf("the node's memory has grown from %d to %d MiB", memoryBefore, most)
	}
	if long && ratio < 0.5 {
		t.Errorf("honest clients keep %.2f of their speed", ratio)
	}
	for _, id := range p.ids() {
		must(t, p.stop(id))
	}
}
