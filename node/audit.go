package node

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// AuditOptions say what an audit holds the data against beside itself.
type AuditOptions struct {
	Policy     *verify.Policy // nil: only what the data itself says
	Checkpoint []byte         // a tree head from elsewhere that must fit; nil for none
	Now        time.Time
	Progress   func(done, total uint64) // may be nil
	Temp       string                   // where the replay grows, about a quarter of the ledger; "" is the system's place
}

// AuditReport is what an audit found. Wrong is empty when all is well.
type AuditReport struct {
	Origin    string   `json:"origin"`
	Entries   uint64   `json:"ledger_entries"`
	Size      uint64   `json:"tree_size"`
	Root      string   `json:"root"`
	Records   uint64   `json:"records"`
	Seals     uint64   `json:"seals"`
	Skipped   uint64   `json:"skipped"` // records of the ledger that the state machine refuses, then as now
	Histories int      `json:"histories"`
	Heads     int      `json:"heads"` // cosigned tree heads that were held against the tree
	Quorum    bool     `json:"quorum"`
	FirstLeaf *uint64  `json:"first_wrong_leaf,omitempty"`
	Wrong     []string `json:"wrong"`
}

// auditChunk is how many ledger entries are replayed in one transaction.
const auditChunk = 32

// audit is one run of Audit.
type audit struct {
	opt      AuditOptions
	dir      string
	rep      *AuditReport
	ledger   *store.Store
	kept     *log.Log  // tree.db of the data directory; nil if it cannot be opened
	keptView *log.View // its newest view
	replay   *log.Log  // made anew from the ledger
	state    *state
	subjects map[string]bool
}

// Audit replays the whole ledger of a data directory that no node is using:
// every signature and right is checked, every leaf, root, seal and history
// computed anew and held against what the directory has. The error is of the
// audit; what it finds wrong is in the report, the first wrong leaf by name.
func Audit(ctx context.Context, dir string, opt AuditOptions) (*AuditReport, error) {
	a := &audit{opt: opt, dir: dir, rep: &AuditReport{Wrong: []string{}}, subjects: map[string]bool{}}
	defer a.close()
	if _, err := os.Stat(filepath.Join(dir, ledgerFile)); err != nil {
		return nil, fault.New("data_dir", dir, "there is no raft.db in it").WithHint("name a node's data directory")
	}
	var err error
	if a.ledger, err = store.Open(filepath.Join(dir, ledgerFile), store.Config{ReadOnly: true}); err != nil {
		if fault.Code(err) == "data_in_use" {
			return nil, err
		}
		a.wrong("raft.db: %v", err)
		return a.rep, nil
	}
	if a.kept, err = log.Open(filepath.Join(dir, treeFile), log.Config{ReadOnly: true, Ledger: ledgerNotes{a.ledger}}); err != nil {
		a.kept = nil
		a.wrong("tree.db: %v", err)
	}
	if err := a.findOrigin(); err != nil {
		a.wrong("%v", err)
		return a.rep, nil
	}
	tmp, err := os.MkdirTemp(a.opt.Temp, ".milepost-audit-")
	if err != nil {
		return nil, fmt.Errorf("make a place to replay in: %w", err)
	}
	defer os.RemoveAll(tmp)
	if a.replay, err = log.Open(filepath.Join(tmp, treeFile), log.Config{Origin: a.rep.Origin, Ledger: ledgerNotes{a.ledger}}); err != nil {
		return nil, err
	}
	if a.state, err = openState(a.replay, a.rep.Origin); err != nil {
		return nil, err
	}
	if err := a.run(ctx); err != nil {
		return nil, err
	}
	if a.rep.FirstLeaf == nil {
		return a.rep, a.compare()
	}
	return a.rep, nil
}

func (a *audit) wrong(format string, args ...any) {
	a.rep.Wrong = append(a.rep.Wrong, fmt.Sprintf(format, args...))
}

func (a *audit) close() {
	if a.keptView != nil {
		a.keptView.Release()
	}
	for _, l := range []*log.Log{a.kept, a.replay} {
		if l != nil {
			l.Close()
		}
	}
	if a.ledger != nil {
		a.ledger.Close()
	}
}

// findOrigin reads the origin off the ledger and holds it against the rest.
func (a *audit) findOrigin() error {
	origins, err := originsOf(a.ledger)
	if err != nil {
		return err
	}
	origin := origins[len(origins)-1]
	if a.kept != nil && (slices.Contains(origins, a.kept.Origin()) || amongPredecessors(a.kept, origin)) {
		origin = a.kept.Origin()
	}
	a.rep.Origin = origin
	switch {
	case a.kept != nil && a.kept.Origin() != origin:
		return fmt.Errorf("raft.db is of the log %s, tree.db of %s", origin, a.kept.Origin())
	case a.opt.Policy != nil && a.opt.Policy.Origin() != origin:
		return fmt.Errorf("the data is of the log %s, the policy of %s", origin, a.opt.Policy.Origin())
	}
	return nil
}

// amongPredecessors reports whether a tree still has no leaves but those of
// logs that its own goes on from, the newest of an origin.
func amongPredecessors(tree *log.Log, origin string) bool {
	v := tree.View()
	if v == nil {
		return false
	}
	defer v.Release()
	return v.Seal.Origin == origin && origin != tree.Origin()
}

// run replays the ledger up to where the tree stands, and compares the
// leaves as they come.
func (a *audit) run(ctx context.Context) error {
	end, err := a.ledger.LastIndex()
	if err != nil {
		return err
	}
	if a.kept != nil {
		applied, _ := a.kept.Applied()
		if applied > end {
			a.wrong("tree.db has taken ledger entry %d, raft.db ends with %d", applied, end)
		} else {
			end = applied // what follows may never have been agreed upon
		}
		a.keptView = a.kept.View()
	}
	var chunk []*raft.Log
	flush := func() error {
		if len(chunk) == 0 {
			return nil
		}
		results, err := a.state.apply(chunk)
		if err != nil {
			return err
		}
		a.leaves(chunk, results)
		a.rep.Entries = chunk[len(chunk)-1].Index
		chunk = chunk[:0]
		if a.opt.Progress != nil {
			a.opt.Progress(a.rep.Entries, end)
		}
		return ctx.Err()
	}
	for i := uint64(1); i <= end && a.rep.FirstLeaf == nil; i++ {
		e, err := a.ledger.Entry(i)
		if err != nil {
			a.wrong("ledger entry %d cannot be read: %v", i, err)
			break
		}
		if e.Type != raft.LogCommand {
			continue
		}
		if _, err := decodeBatch(e.Data); err != nil {
			a.wrong("ledger entry %d: %v", i, err)
			break
		}
		if chunk = append(chunk, e); len(chunk) == auditChunk {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if a.rep.FirstLeaf != nil {
		return nil
	}
	return flush()
}

// leaves counts what a chunk gave and compares its leaves with those kept.
func (a *audit) leaves(chunk []*raft.Log, results []any) {
	refused := map[uint64]string{}  // ledger entry -> the first refusal in it
	barred := map[[32]byte]string{} // leaf hash of a refused record -> the refusal
	for i, res := range results {
		b, _ := decodeBatch(chunk[i].Data)
		for pos, o := range res.(*batchResult).records {
			switch {
			case o.err != nil:
				a.rep.Skipped++
				why := fmt.Sprintf("record %d of ledger entry %d may not stand in the log: %v", pos, chunk[i].Index, o.err)
				barred[o.hash] = why
				if refused[chunk[i].Index] == "" {
					refused[chunk[i].Index] = why
				}
			case !o.present:
				a.rep.Records++
				if r, err := record.Open(b.notes[pos]); err == nil {
					for _, s := range r.Subjects {
						a.subjects[s] = true
					}
				}
			}
		}
		if res.(*batchResult).size > 0 {
			a.rep.Seals++
		}
	}
	made := a.replay.View()
	if made == nil {
		return
	}
	defer made.Release()
	if a.keptView == nil {
		return
	}
	for i := a.rep.Size; i < made.Size; i++ {
		want, err := made.LeafHash(i)
		var have [32]byte
		if err == nil {
			have, err = a.keptView.LeafHash(i)
		}
		if err == nil && want == have {
			continue
		}
		at, pos, seal, perr := made.Place(i)
		what := "seal"
		if !seal {
			what = "record"
			if leaf, err := made.Leaf(i); err == nil {
				if r, err := record.Open(leaf); err == nil {
					what = fmt.Sprintf("%s by %s, id %s", r.Type, r.Author, r.ID)
				}
			}
		}
		leaf := i
		a.rep.FirstLeaf = &leaf
		if perr == nil {
			what += fmt.Sprintf(", position %d of ledger entry %d", pos, at)
		}
		a.wrong("leaf %d is wrong: the ledger gives %s with leaf hash %s, tree.db has %s", i, what, verify.Hex(want), verify.Hex(have))
		if why := cmp.Or(barred[have], refused[at]); why != "" {
			a.wrong("%s", why)
		}
		return
	}
	a.rep.Size, a.rep.Root = made.Size, verify.Hex(made.Root)
}

// compare holds the whole replay against the data directory, once all leaves agree.
func (a *audit) compare() error {
	made := a.replay.View()
	if made == nil {
		a.wrong("the ledger gives an empty tree")
		return nil
	}
	defer made.Release()
	a.rep.Size, a.rep.Root, a.rep.Histories = made.Size, verify.Hex(made.Root), len(a.subjects)
	if v := a.keptView; v != nil {
		if v.Size != made.Size || v.Root != made.Root {
			a.wrong("the ledger gives tree size %d, root %s; tree.db has %d, %s", made.Size, verify.Hex(made.Root), v.Size, verify.Hex(v.Root))
		}
		if err := a.histories(made, v); err != nil {
			return err
		}
		for _, prefix := range []string{authorityState, caseState, targetState} {
			if err := a.states(prefix); err != nil {
				return err
			}
		}
	}
	if err := a.heads(made); err != nil {
		return err
	}
	if a.opt.Checkpoint != nil {
		a.head(made, "the checkpoint that was handed in", a.opt.Checkpoint)
	}
	return nil
}

func (a *audit) histories(made, kept *log.View) error {
	var subjects []string
	for s := range a.subjects {
		subjects = append(subjects, s)
	}
	sort.Strings(subjects)
	for _, s := range subjects {
		want, err := made.History(s)
		if err != nil {
			return err
		}
		have, err := kept.History(s)
		if err != nil {
			a.wrong("the history of %s in tree.db cannot be read: %v", s, err)
			continue
		}
		if len(want) != len(have) {
			a.wrong("the history of %s has %d records, tree.db lists %d", s, len(want), len(have))
			continue
		}
		for i := range want {
			if want[i] != have[i] {
				a.wrong("entry %d of the history of %s is wrong in tree.db", i, s)
				break
			}
		}
	}
	return nil
}

// states compares what tree.db says of members, keys and rules, and of cases.
func (a *audit) states(prefix string) error {
	kept := map[string]string{}
	err := a.kept.States(prefix, func(key string, value []byte) error {
		kept[key] = string(value)
		return nil
	})
	if err != nil {
		return err
	}
	err = a.replay.States(prefix, func(key string, value []byte) error {
		if kept[key] != string(value) {
			a.wrong("what tree.db says of %s is not what the ledger gives", strings.TrimPrefix(key, authorityState))
		}
		delete(kept, key)
		return nil
	})
	for _, key := range sortedKeys(kept) {
		a.wrong("what tree.db says of %s is not in the ledger", strings.TrimPrefix(key, authorityState))
	}
	return err
}

// heads holds every head that the node cosigned, and the newest with a
// quorum, against the replayed tree.
func (a *audit) heads(made *log.View) error {
	path := filepath.Join(a.dir, headsFile)
	if _, err := os.Stat(path); err != nil {
		a.wrong("heads.db is missing: what this node cosigned is unknown")
		return nil
	}
	db, err := bolt.Open(path, 0o400, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		a.wrong("heads.db: %v", err)
		return nil
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(cosignedBucket)
		if b == nil {
			a.wrong("heads.db holds no heads")
			return nil
		}
		err := b.ForEach(func(k, v []byte) error {
			if len(k) != 8 || len(v) < 40 {
				a.wrong("heads.db: an entry cannot be read")
				return nil
			}
			a.root(made, "a head that this node cosigned", binary.BigEndian.Uint64(k), [32]byte(v[:32]))
			return nil
		})
		if note := tx.Bucket(publishedBucket).Get([]byte("newest")); note != nil && err == nil {
			a.head(made, "the newest head with a quorum", append([]byte(nil), note...))
		}
		return err
	})
}

func (a *audit) root(made *log.View, what string, size uint64, root [32]byte) {
	a.rep.Heads++
	if size > made.Size {
		a.wrong("%s covers %d leaves, the ledger gives %d: leaves are missing", what, size, made.Size)
		return
	}
	if have, err := made.RootAt(size); err != nil || have != root {
		a.wrong("%s at size %d has root %s, the ledger gives %s", what, size, verify.Hex(root), verify.Hex(have))
	}
}

// head checks a whole checkpoint: its signatures by the policy, its root by
// the tree.
func (a *audit) head(made *log.View, what string, note []byte) {
	c, _, err := verify.ParseCheckpoint(note)
	if err != nil {
		a.wrong("%s: %v", what, err)
		return
	}
	a.root(made, what, c.Size, c.Root)
	policy := a.opt.Policy
	if policy == nil {
		all, err := policiesIn(made, a.rep.Origin)
		if policy = policyAtSize(all, c.Size); err != nil || policy == nil {
			a.wrong("the policy in the log: %v", err)
			return
		}
	}
	if _, err := policy.Check(note, a.opt.Now); err != nil {
		a.wrong("%s: %v", what, err)
		return
	}
	a.rep.Quorum = true
}
