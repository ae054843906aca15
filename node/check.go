package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/log"
	"github.com/milepost-log/milepost/node/store"
	"github.com/milepost-log/milepost/verify"
)

// CheckOptions say whose data is checked.
type CheckOptions struct {
	Node     string                   // id of the node, to be named; the directory's name if empty
	Progress func(done, total uint64) // of ledger entries; may be nil
}

// CheckReport is what a check read and what it found wrong. Damage is empty
// when all is well.
type CheckReport struct {
	Node      string   `json:"node"`
	Origin    string   `json:"origin"`
	Entries   uint64   `json:"ledger_entries"`
	Size      uint64   `json:"tree_size"`
	Root      string   `json:"root"`
	Records   uint64   `json:"records"`
	Seals     uint64   `json:"seals"`
	Histories int      `json:"histories"`
	Heads     int      `json:"heads"`
	Damage    []Damage `json:"damage"`
}

// maxDamage is how many single damages a report names.
const maxDamage = 1000

// Check reads everything in a data directory that no node is using, or in a
// copy or a backup, and computes what can be computed: see walk. It finds
// what a disk does to data; whether the records may stand in the log is for
// Audit. The error is of the check itself (codes data_dir, data_in_use).
func Check(ctx context.Context, dir string, opt CheckOptions) (*CheckReport, error) {
	if opt.Node == "" {
		opt.Node = filepath.Base(dir)
	}
	k := &checker{opt: opt, dir: dir, rep: &CheckReport{Node: opt.Node, Damage: []Damage{}}, sound: map[string]bool{}}
	defer k.close()
	if err := hasLedger(dir); err != nil {
		return nil, err
	}
	// Pages first: bbolt can't be let loose on a file whose pages do not fit.
	for _, name := range []string{ledgerFile, treeFile, headsFile} {
		if err := k.pages(name); err != nil {
			return nil, err
		}
	}
	return k.rep, k.run(ctx)
}

// hasLedger refuses a directory that is no node's. Code data_dir.
func hasLedger(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, ledgerFile)); err != nil {
		return fault.New("data_dir", dir, "there is no raft.db in it").WithHint("name a node's data directory")
	}
	return nil
}

type checker struct {
	opt   CheckOptions
	dir   string
	rep   *CheckReport
	sound map[string]bool // files whose pages fit together
	ends  []func() error
}

func (k *checker) close() {
	for i := len(k.ends) - 1; i >= 0; i-- {
		k.ends[i]()
	}
}

func (k *checker) found(d Damage) {
	if len(k.rep.Damage) < maxDamage {
		k.rep.Damage = append(k.rep.Damage, d)
	}
}

func (k *checker) bad(file string, err error) {
	k.found(Damage{Node: k.opt.Node, File: file, What: err.Error()})
}

// pages holds a file against writers, for as long as the check takes, and
// walks its pages.
func (k *checker) pages(name string) error {
	path := filepath.Join(k.dir, name)
	if _, err := os.Stat(path); err != nil {
		k.bad(name, errors.New("it is missing"))
		return nil
	}
	release, err := store.Hold(path)
	if fault.Code(err) == "data_in_use" {
		return err
	}
	if err != nil {
		k.bad(name, err)
		return nil
	}
	k.ends = append(k.ends, release)
	if err := store.CheckPages(path); err != nil {
		k.bad(name, err)
		return nil
	}
	k.sound[name] = true
	return nil
}

func (k *checker) run(ctx context.Context) error {
	if !k.sound[ledgerFile] {
		return nil
	}
	ledger, err := store.Open(filepath.Join(k.dir, ledgerFile), store.Config{ReadOnly: true, Lenient: true})
	if err != nil {
		k.bad(ledgerFile, err)
		return nil
	}
	k.ends = append(k.ends, ledger.Close)
	var view *log.View
	var origin string
	if k.sound[treeFile] {
		tree, err := log.Open(filepath.Join(k.dir, treeFile), log.Config{ReadOnly: true, Ledger: ledgerNotes{ledger}})
		if err != nil {
			k.bad(treeFile, err)
		} else {
			k.ends = append(k.ends, tree.Close)
			origin = tree.Origin()
			view = tree.View()
		}
	}
	if view == nil {
		return k.entries(ctx, ledger, 1)
	}
	defer view.Release()
	k.rep.Origin, k.rep.Size, k.rep.Root = origin, view.Size, verify.Hex(view.Root)
	w := newWalk(k.opt.Node, origin, ledger, k.found)
	if err := k.tree(ctx, w, view); err != nil && !errors.Is(err, errWalkEnds) {
		return err
	}
	k.rep.Records, k.rep.Seals = w.records, w.seals
	if err := k.entries(ctx, ledger, w.entry); err != nil || !k.sound[headsFile] {
		return err
	}
	if slices.ContainsFunc(k.rep.Damage, func(d Damage) bool { return d.File == treeFile }) {
		return nil // a damaged tree can't say whether heads.db is whole; a new one will
	}
	return k.heads(view)
}

// tree walks ledger and tree.
func (k *checker) tree(ctx context.Context, w *walk, view *log.View) error {
	const budget, histories = 4 << 20, 1000
	applied, _, err := view.Applied()
	if err != nil {
		w.badTree(err)
		return errWalkEnds
	}
	if last, _ := w.ledger.LastIndex(); last < applied {
		w.bad(Damage{File: ledgerFile}, "it ends with entry %d, the tree has taken %d", last, applied)
		return errWalkEnds
	}
	for done := false; !done; {
		if done, _, err = w.ledgerStep(view, budget); err != nil {
			return err
		}
		if k.opt.Progress != nil {
			k.opt.Progress(w.entry-1, applied)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	for done := false; !done; {
		if done, err = w.historyStep(view, histories); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	k.rep.Histories = w.histories
	w.end(view)
	return nil
}

// entries reads the ledger from an entry on: what the tree has not taken.
func (k *checker) entries(ctx context.Context, ledger *store.Store, from uint64) error {
	last, err := ledger.LastIndex()
	if err != nil {
		return err
	}
	for i := from; i <= last; i++ {
		if _, err := ledger.Entry(i); err != nil {
			k.found(Damage{Node: k.opt.Node, File: ledgerFile, Entry: i, What: err.Error()})
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	k.rep.Entries = last
	return nil
}

func (k *checker) heads(view *log.View) error {
	db, err := bolt.Open(filepath.Join(k.dir, headsFile), 0o400, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		k.bad(headsFile, fmt.Errorf("it cannot be opened: %w", err))
		return nil
	}
	defer db.Close()
	w := &headWalk{node: k.opt.Node, found: k.found, still: true}
	for done := false; !done; {
		if done, err = w.step(db, view, 10_000); err != nil {
			break // told
		}
	}
	k.rep.Heads = w.heads
	return nil
}
