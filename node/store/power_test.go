package store

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/node/store/powertest"
)

// Power fails at every moment of a ledger's life, between two writes as much
// as between two calls, and any part of what was not synced is lost: the
// ledger opens, and is as the last call that returned has left it or as the
// next one would have. It takes further entries.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := fresh(t, Config{})
	var trace powertest.Trace
	must(t, trace.Watch(map[string]*bolt.DB{"raft.db": s.db}))

	say := func(s *Store) string {
		text := fmt.Sprintf("floor %d", s.Floor())
		last, _ := s.LastIndex()
		for i := uint64(1); i <= last; i++ {
			e, err := s.Entry(i)
			must(t, err)
			text += fmt.Sprintf("; %d %d %s", e.Index, e.Term, e.Data)
		}
		vote, _ := s.Get([]byte("LastVoteCand"))
		return text + "; vote " + string(vote)
	}
	r := rand.New(rand.NewPCG(1, 2))
	ends, states := []int{trace.Mark()}, []string{say(s)}
	applied := uint64(0)
	calls := 16
	if testing.Short() {
		calls = 4
	}
	for range calls {
		last, _ := s.LastIndex()
		term := uint64(len(states))
		switch what := r.IntN(6); {
		case what < 4:
			var logs []*raft.Log
			for i := range 1 + r.Uint64N(4) {
				logs = append(logs, command(last+1+i, term, fmt.Sprintf("%0*d", 1+r.IntN(9000), i)))
			}
			must(t, s.StoreLogs(logs))
		case what == 4 && last > applied:
			must(t, s.DeleteRange(applied+1+r.Uint64N(last-applied), last))
		default:
			applied += r.Uint64N(last - applied + 1)
			s.NoteApplied(applied)
			must(t, s.Set([]byte("LastVoteCand"), fmt.Append(nil, term)))
		}
		ends, states = append(ends, trace.Mark()), append(states, say(s))
	}
	must(t, trace.Check())

	images, call := 0, 0
	for n := ends[0]; n <= trace.Len(); n++ {
		for call+1 < len(ends) && ends[call+1] <= n {
			call++
		}
		for _, loss := range []powertest.Loss{powertest.Sectors, powertest.Loss(n) % powertest.Losses} {
			path := filepath.Join(dir, fmt.Sprintf("%d.db", images))
			must(t, trace.Leave(n, loss, r, map[string]string{"raft.db": path}))
			images++
			if err := CheckPages(path); err != nil {
				t.Fatalf("after event %d, loss %d: %v", n, loss, err)
			}
			left, err := Open(path, Config{})
			if err != nil {
				t.Fatalf("after event %d, loss %d: %v", n, loss, err)
			}
			got := say(left)
			if got != states[call] && (call+1 == len(states) || got != states[call+1]) {
				t.Fatalf("after event %d, loss %d, call %d of %d: the ledger is\n%.400s\nwhich it never was", n, loss, call, len(states), got)
			}
			if images%8 == 0 {
				last, _ := left.LastIndex()
				must(t, left.StoreLog(command(last+1, 1000, "afterwards")))
			}
			must(t, left.Close())
		}
	}
	t.Logf("%d images of %d moments", images, trace.Len()-ends[0]+1)
}
