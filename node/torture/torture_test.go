//go:build unix

package torture

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/store"
)

var (
	duration = flag.Duration("torture.duration", 0, "how long faults strike; 0 for the short form")
	seed     = flag.Uint64("torture.seed", 1, "of the schedule of faults")
	nodes    = flag.Int("torture.nodes", 4, "that the log is founded with: all but one vote")
)

// Nodes are killed, frozen, cut off, slowed, given wrong clocks and full
// disks, added, removed and replaced while clients write and read. Nothing
// that was acknowledged is lost or doubled, all nodes come to one tree, every
// head ever shown is of it, and strict reads are linearizable.
func TestTorture(t *testing.T) {
	t.Parallel()
	length := *duration
	long := length > 0
	if !long {
		length = 9 * time.Second
		if testing.Short() { // as under the race detector
			length = 4 * time.Second
		}
	}
	if *nodes < 4 || *nodes > 9 {
		t.Fatal("4 to 9 nodes are expected")
	}
	begun := time.Now()
	say := func(format string, args ...any) {
		line := fmt.Sprintf("%7.2fs ", time.Since(begun).Seconds()) + fmt.Sprintf(format, args...)
		if long {
			fmt.Println(line)
		} else {
			t.Log(line)
		}
	}
	w := newWorld(t, *nodes, say)
	plan := schedule(*seed, length, w.founders())
	say("seed %d, %d nodes, %v, %d faults", *seed, *nodes, length, len(plan))

	ctx := t.Context()
	patient, giveUp := context.WithTimeout(ctx, length+patience)
	defer giveUp()
	stop, stopClients := context.WithCancel(patient)
	watching, stopWatching := context.WithCancel(patient)
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer stopWatching()
	var quiet silence
	watchers.Go(func() { w.supervise(watching) })
	watchers.Go(func() { w.watch(watching, &quiet) })
	diagnosed := make(chan struct{})
	well := context.AfterFunc(patient, func() { defer close(diagnosed); w.diagnose() })
	defer func() {
		if !well() {
			<-diagnosed
		}
	}()
	w.ready(patient)
	c := w.clientele(stop, patient, *seed)
	g := c.governors()
	quiet.begin()
	w.play(patient, plan, g)
	close(g.asked)
	say("the faults are over")
	w.relay.HealAll()
	<-g.done
	stopClients()
	c.running.Wait()
	say("the clients are served")
	w.oneSize(patient)
	gone := quiet.end()
	stopWatching()
	watchers.Wait()
	say("all nodes have one size")
	w.gather(t)
	v := check(w.seen)
	report(w, c, v, gone, say)
	for _, what := range v.wrong {
		t.Errorf("seed %d: %s", *seed, what)
	}
	if w.seen.acked() == 0 || c.reads == 0 || w.seen.proofs == 0 {
		t.Errorf("seed %d: nothing was shown: %d records acknowledged, %d strict reads, %d proofs", *seed, w.seen.acked(), c.reads, w.seen.proofs)
	}
}

// play strikes as the schedule says.
func (w *world) play(ctx context.Context, plan []event, g *governors) {
	start := time.Now()
	var under sync.WaitGroup
	defer under.Wait()
	for _, e := range plan {
		pause(ctx, time.Until(start.Add(e.at)))
		if ctx.Err() != nil {
			return
		}
		if e.kind == added || e.kind == removed || e.kind == replaced {
			w.say("%v", e)
			g.asked <- e
			continue
		}
		under.Go(func() {
			end := w.strike(e)
			if end == nil {
				w.say("%v: does not apply now", e)
				return
			}
			w.say("%v", e)
			pause(ctx, e.length)
			end()
		})
	}
}

// ready waits until the founding is through.
func (w *world) ready(ctx context.Context) {
	w.t.Helper()
	for _, id := range w.founders() {
		for {
			once, cancel := context.WithTimeout(ctx, time.Second)
			s, err := w.client(id).Status(once)
			cancel()
			if err == nil && s.Published > 0 && len(s.NotReady) == 0 {
				break
			}
			if ctx.Err() != nil {
				w.t.Fatalf("%s does not become ready: %v, %+v", id, err, s)
			}
			pause(ctx, 20*time.Millisecond)
		}
	}
}

// oneSize waits until all nodes that stay have published the same tree.
func (w *world) oneSize(ctx context.Context) {
	w.t.Helper()
	for {
		sizes := map[uint64]bool{}
		var said []string
		for _, id := range w.ids() {
			once, cancel := context.WithTimeout(ctx, time.Second)
			s, err := w.client(id).Status(once)
			cancel()
			if err != nil {
				sizes[0] = true
				said = append(said, fmt.Sprintf("%s: %v", id, err))
				continue
			}
			sizes[s.TreeSize], sizes[s.Published] = true, true
			said = append(said, fmt.Sprintf("%s, %s: tree %d, published %d", id, s.Role, s.TreeSize, s.Published))
		}
		if len(sizes) == 1 && !sizes[0] {
			return
		}
		if ctx.Err() != nil {
			w.t.Fatalf("seed %d: the nodes don't come to one size: %s; wrong so far: %s", *seed, strings.Join(said, "; "), strings.Join(w.seen.wrong, "; "))
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// diagnose says what each node knows, for whoever has to find out why they
// don't go on.
func (w *world) diagnose() {
	for _, id := range w.ids() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		status, err := w.client(id).Get(ctx, "/v1/status")
		cancel()
		w.say("%s: %s %v", id, status, err)
	}
	w.each(func(m *machine) {
		if m.run != nil {
			w.say("%s said last:\n%s", m.id, m.run.said.last(60))
		}
	})
}

// silence is the longest time without a leader.
type silence struct {
	mu      sync.Mutex
	counts  bool
	since   time.Time // when a leader was seen last
	longest time.Duration
}

func (s *silence) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts, s.since, s.longest = true, time.Now(), 0
}

func (s *silence) heard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts {
		s.longest = max(s.longest, time.Since(s.since))
		s.since = time.Now()
	}
}

func (s *silence) end() time.Duration {
	s.heard()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts = false
	return s.longest
}

// watch looks at each node again and again: whether it leads, and which head
// it shows.
func (w *world) watch(ctx context.Context, quiet *silence) {
	var all sync.WaitGroup
	defer all.Wait()
	watched := map[string]bool{}
	for ctx.Err() == nil {
		for _, id := range w.ids() {
			if watched[id] {
				continue
			}
			watched[id] = true
			all.Go(func() {
				client := w.client(id)
				for ctx.Err() == nil {
					once, cancel := context.WithTimeout(ctx, 2*time.Second)
					if s, err := client.Status(once); err == nil && s.Role == "leader" {
						quiet.heard()
					}
					if note, err := client.Get(once, "/checkpoint"); err == nil {
						w.signedHead(note, id)
					}
					cancel()
					pause(ctx, 100*time.Millisecond)
				}
			})
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// gather ends the nodes and reads what is on their disks.
func (w *world) gather(t *testing.T) {
	t.Helper()
	var ending sync.WaitGroup
	w.each(func(m *machine) {
		if m.run != nil {
			ending.Go(func() {
				err := m.run.stop()
				if code, _ := m.run.why(); m.leaves && code == "node_removed" { // it has just heard
					return
				}
				if err != nil {
					w.seen.bad(fmt.Sprintf("%s does not end in good order: %v", m.id, err))
				}
			})
		}
	})
	ending.Wait()
	w.each(func(m *machine) {
		dir := w.cluster.DataPath(m.id)
		tree, ledger, err := openBoth(dir)
		if err != nil {
			if !m.gone && !m.leaves { // a node that has lost its disk has none, and one may never have begun
				w.seen.bad(fmt.Sprintf("what %s has on disk can't be opened: %v", m.id, err))
			}
			return
		}
		defer tree.Close()
		defer ledger.Close()
		leaves, err := leavesOf(tree)
		if err != nil {
			w.seen.bad(fmt.Sprintf("the tree of %s: %v", m.id, err))
			return
		}
		w.seen.trees[m.id] = leaves
		w.seen.partial[m.id] = m.gone || m.leaves
	})
	for _, id := range w.founders() {
		if rep, err := node.Check(t.Context(), w.cluster.DataPath(id), node.CheckOptions{Node: id}); err != nil || len(rep.Damage) > 0 {
			w.seen.bad(fmt.Sprintf("node check of %s: %v, %+v", id, err, rep))
		}
	}
	id := w.founders()[0]
	rep, err := node.Audit(t.Context(), w.cluster.DataPath(id), node.AuditOptions{Now: time.Now().Add(2 * longest), Temp: t.TempDir()})
	if err != nil || len(rep.Wrong) > 0 {
		w.seen.bad(fmt.Sprintf("audit of %s: %v, %+v", id, err, rep))
	}
}

func openBoth(dir string) (*log.Log, *store.Store, error) {
	ledger, err := store.Open(filepath.Join(dir, "raft.db"), store.Config{ReadOnly: true})
	if err != nil {
		return nil, nil, err
	}
	tree, err := log.Open(filepath.Join(dir, "tree.db"), log.Config{ReadOnly: true})
	if err != nil {
		ledger.Close()
		return nil, nil, err
	}
	return tree, ledger, nil
}

// leavesOf reads all leaf hashes of a tree, which must give its own root.
func leavesOf(tree *log.Log) ([]leaf, error) {
	v := tree.View()
	if v == nil {
		return nil, nil
	}
	defer v.Release()
	out := make([]leaf, v.Size)
	for i := range out {
		_, _, seal, err := v.Place(uint64(i))
		if err != nil {
			return nil, err
		}
		h, err := v.LeafHash(uint64(i))
		if err != nil {
			return nil, err
		}
		out[i] = leaf{h, seal}
	}
	return out, nil
}

// report prints what was done and what came of it.
func report(w *world, c *clients, v *verdict, leaderless time.Duration, say func(string, ...any)) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "seed %d\nfaults injected:", *seed)
	total := 0
	for _, k := range kinds {
		fmt.Fprintf(&b, " %s %d,", k, w.faults[k])
		total += w.faults[k]
	}
	fmt.Fprintf(&b, " in all %d\n", total)
	fmt.Fprintf(&b, "nodes that ended by themselves: %v\n", w.unasked)
	fmt.Fprintf(&b, "records acknowledged: %d, %d submissions sent again\n", w.seen.acked(), c.again)
	fmt.Fprintf(&b, "records lost: %d\n", v.lost)
	fmt.Fprintf(&b, "strict reads: %d; proof files and receipts verified: %d; tree heads seen: %d; leaves: %d\n",
		c.reads, w.seen.proofs, len(w.seen.heads), len(w.seen.trees[w.founders()[0]]))
	fmt.Fprintf(&b, "longest time without a leader: %.1f s\n", leaderless.Seconds())
	fmt.Fprintf(&b, "what clients met: %v\n", c.errors)
	fmt.Fprintf(&b, "inconsistent: %d", len(v.wrong))
	say("%s", b.String())
}
