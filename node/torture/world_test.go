//go:build unix

package torture

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/verify"
)

// world is the cluster and all that is done to it.
type world struct {
	t       *testing.T
	relay   *relay
	cluster *node.Cluster // of the founding
	origin  string
	policy  *verify.Policy // of the founding
	seen    *evidence
	say     func(format string, args ...any)

	mu      sync.Mutex
	cfg     node.Cluster        // with the nodes that were added
	machine map[string]*machine // by node id; those that were registered
	clients map[string]*node.Client
	faults  map[kind]int
	unasked map[string]int // codes with which nodes ended by themselves
}

// machine is where one node runs.
type machine struct {
	id, config string

	mu     sync.Mutex // held while the node is started or ended
	run    *process   // nil while it is to be down
	leaves bool       // governance has removed it; it may not know yet
	gone   bool       // it knows, or was lost before
	bound  bool       // its disk is full until the next start
	frozen bool
}

// mayEnd are the codes that a node may end with by itself: its disk is full,
// it led without a majority, it was removed, or another process of the machine
// has its port for a moment. Nothing else that is done here
// is a reason.
var mayEnd = []string{"disk_full", "no_majority", "node_removed", "listen"}

func newWorld(t *testing.T, nodes int, say func(string, ...any)) *world {
	t.Helper()
	w := &world{t: t, seen: newEvidence(), say: say, machine: map[string]*machine{}, clients: map[string]*node.Client{}, faults: map[kind]int{}, unasked: map[string]int{}}
	c, err := embed.New(embed.Config{Dir: t.TempDir(), LastWord: func(c *node.Cluster) {
		for i := len(c.Nodes); i < nodes; i++ { // one more that votes, before the last, which does not
			address, err := embed.FreeAddress()
			w.must(err)
			c.Nodes = slices.Insert(c.Nodes, i-1, node.NodeConfig{ID: fmt.Sprintf("voter%d", i), Member: c.Members[0].Name, Address: address, Votes: true})
		}
	}})
	w.must(err)
	w.cluster, w.cfg = c.Cluster, *c.Cluster
	w.policy, err = c.Policy()
	w.must(err)
	f, err := node.ReadFounding(c.Cluster.FoundingPath())
	w.must(err)
	w.origin = f.Origin
	w.relay, err = newRelay()
	w.must(err)
	t.Cleanup(func() {
		w.each(func(m *machine) {
			if m.run != nil {
				m.run.kill()
			}
		})
		w.relay.close()
	})
	for _, n := range c.Cluster.Nodes {
		w.register(n)
		w.must(w.start(n.ID))
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// founders are the ids that a schedule begins with.
func (w *world) founders() (ids []string) {
	for _, n := range w.cluster.Nodes {
		ids = append(ids, n.ID)
	}
	return ids
}

// register gives a node its machine, with a cluster file of its own.
func (w *world) register(n node.NodeConfig) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.relay.Name(n.Address, n.ID)
	if _, err := w.cfg.Node(n.ID); err != nil {
		w.cfg.Nodes = append(slices.Clone(w.cfg.Nodes), n)
	}
	text, err := toml.Marshal(&w.cfg)
	w.must(err)
	m := &machine{id: n.ID, config: filepath.Join(w.cluster.Path(), n.ID+".toml")}
	w.must(os.WriteFile(m.config, text, 0o600))
	w.machine[n.ID] = m
}

// at returns a node's machine, or nil if the node was never registered.
func (w *world) at(id string) *machine {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.machine[id]
}

// ids lists the nodes that were not removed.
func (w *world) ids() (ids []string) {
	w.each(func(m *machine) {
		if !m.gone && !m.leaves {
			ids = append(ids, m.id)
		}
	})
	return ids
}

// each calls fn for every machine, by id, while that is left alone.
func (w *world) each(fn func(*machine)) {
	w.mu.Lock()
	ids := sorted(w.machine)
	w.mu.Unlock()
	for _, id := range ids {
		m := w.at(id)
		m.mu.Lock()
		fn(m)
		m.mu.Unlock()
	}
}

func (w *world) start(id string) error {
	m := w.at(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	return w.startLocked(m)
}

func (w *world) startLocked(m *machine) (err error) {
	if m.gone || m.run != nil && m.run.running() {
		return nil
	}
	m.frozen, m.bound = false, false
	m.run, err = run(m.id, m.config, w.relay.address())
	return err
}

// supervise starts nodes that ended by themselves again, as systemd would,
// once their disk has room. It writes down what none may end with.
func (w *world) supervise(ctx context.Context) {
	for ctx.Err() == nil {
		w.each(func(m *machine) {
			if m.run == nil || m.run.running() || m.gone {
				return
			}
			ended := m.run
			m.run = nil
			code, words := ended.why()
			if words != "" {
				w.say("%s ended by itself: [%s] %s", m.id, code, words)
				w.mu.Lock()
				w.unasked[code]++
				w.mu.Unlock()
			}
			switch {
			case code == "node_removed":
				m.gone = true
				return
			case words == "" && ended.err != nil:
				w.seen.bad(fmt.Sprintf("%s ended and doesn't say why: %v\n%s", m.id, ended.err, ended.said))
			case words != "" && !slices.Contains(mayEnd, code):
				w.seen.bad(fmt.Sprintf("%s ended by itself: [%s] %s", m.id, code, words))
			}
			if m.bound { // until the fault is over
				return
			}
			if err := w.startLocked(m); err != nil {
				w.seen.bad(err.Error())
			}
		})
		pause(ctx, 200*time.Millisecond)
	}
}

// strike begins a fault and returns how it ends; nil where it does not apply
// now, or ends by itself.
func (w *world) strike(e event) (end func()) {
	id := e.who[0]
	if e.kind == isolated {
		for end := time.Now().Add(e.length); ; pause(context.Background(), 50*time.Millisecond) {
			if id = w.leads(); id != "" {
				break
			}
			if time.Now().After(end) {
				return nil
			}
		}
	}
	m := w.at(id)
	if m == nil { // its addition is not through yet
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return nil
	}
	others := slices.DeleteFunc(w.idsBut(m), func(other string) bool { return e.kind == halved && slices.Contains(e.who, other) })
	up := m.run != nil && m.run.running() && !m.frozen
	end = func() {}
	switch e.kind {
	case killed, restarted, frozen, full, jumped:
		if !up {
			return nil
		}
	}
	switch e.kind {
	case killed:
		m.run.kill()
		m.run = nil
		end = func() { w.start(id) }
	case restarted:
		m.run.signal(syscall.SIGTERM) // the supervisor starts it again
	case frozen:
		p := m.run
		p.signal(syscall.SIGSTOP)
		m.frozen = true
		end = func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.frozen = false
			p.signal(syscall.SIGCONT)
		}
	case full:
		m.run.tell("disk full")
		m.bound = true
		end = func() { // a node that was not asked to write is still up
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.run != nil {
				m.run.kill()
			}
			w.startLocked(m)
		}
	case jumped:
		p := m.run
		p.tell("clock %d", e.by)
		end = func() { p.tell("clock 0") }
	case halved:
		for _, a := range e.who {
			for _, b := range others {
				w.relay.Hold(a, b)
			}
		}
		end = func() { w.heal(e.who, others) }
	case oneWay:
		for _, b := range others {
			w.relay.HoldOneWay(id, b)
		}
		end = func() { w.heal([]string{id}, others) }
	case isolated:
		for _, b := range others {
			w.relay.Cut(id, b)
		}
		end = func() { w.heal([]string{id}, others) }
	case slowed:
		for _, b := range others {
			w.relay.Delay(id, b, e.by)
		}
		end = func() { w.heal([]string{id}, others) }
	}
	w.count(e.kind)
	return end
}

// idsBut lists the other nodes without asking their machines.
func (w *world) idsBut(m *machine) (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range sorted(w.machine) {
		if id != m.id {
			ids = append(ids, id)
		}
	}
	return ids
}

func (w *world) count(k kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[k]++
}

func (w *world) heal(these, those []string) {
	for _, a := range these {
		for _, b := range those {
			w.relay.Heal(a, b)
		}
	}
}

// leads is the node that says that it leads; "" if none does.
func (w *world) leads() string {
	for _, id := range w.ids() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		s, err := w.client(id).Status(ctx)
		cancel()
		if err == nil && s.Role == "leader" {
			return id
		}
	}
	return ""
}

// client speaks to a node in the name of the dealer who writes.
func (w *world) client(id string) *node.Client {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.clients[id] == nil {
		k, err := keyfile.ReadKeyFile(w.cluster.KeyPath("node/"+id, keyfile.UseTLS), nil)
		w.must(err)
		pin, err := k.Public()
		w.must(err)
		own, err := keyfile.ReadKeyFile(w.cluster.KeyPath(dealer, keyfile.UseTLS), nil)
		w.must(err)
		identity, err := own.TLS()
		w.must(err)
		entry, err := w.cfg.Node(id)
		w.must(err)
		w.clients[id] = node.NewClient(entry.Address, pin, identity, nil)
	}
	return w.clients[id]
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
