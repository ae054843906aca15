package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/milepost-log/milepost/certs/fault"
)

// Files of a data directory.
const (
	ledgerFile = "raft.db"
	treeFile   = "tree.db"
	headsFile  = "heads.db"
	markFile   = "damaged.json" // the damage that a running node stopped for
)

// Damage is one thing in a data directory that is not what the signed tree
// says, as exactly as it could be told.
type Damage struct {
	Node     string  `json:"node"`
	File     string  `json:"file"`
	Entry    uint64  `json:"ledger_entry,omitempty"`
	Position *int    `json:"position,omitempty"` // of the record in its ledger entry
	Leaf     *uint64 `json:"leaf,omitempty"`     // log index
	LeafHash string  `json:"leaf_hash,omitempty"`
	Record   string  `json:"record,omitempty"` // type, author and id, as far as they can be read
	What     string  `json:"what"`
}

func (d Damage) String() string {
	var where []string
	if d.Leaf != nil {
		where = append(where, fmt.Sprintf("leaf %d", *d.Leaf))
	}
	if d.Record != "" {
		where = append(where, d.Record)
	}
	if d.LeafHash != "" {
		where = append(where, "leaf hash "+d.LeafHash)
	}
	if d.Position != nil {
		where = append(where, fmt.Sprintf("position %d of ledger entry %d", *d.Position, d.Entry))
	} else if d.Entry > 0 {
		where = append(where, fmt.Sprintf("ledger entry %d", d.Entry))
	}
	at := fmt.Sprintf("node %s, %s: ", d.Node, d.File)
	if len(where) > 0 {
		at += strings.Join(where, ", ") + ": "
	}
	return at + d.What
}

// damageHint says what helps against damage of a file.
func damageHint(file string) string {
	switch file {
	case treeFile:
		return "stop the node and run `milepost node rebuild`: tree.db is made again from raft.db"
	case ledgerFile:
		return "a running node mends it from another one where that can be proven; where not, replace the node: docs/operations.md, A damaged node"
	}
	return "replace the node: docs/operations.md, A damaged node"
}

// fault is the error of a node that knows of the damage.
func (d Damage) fault() *fault.Error {
	return fault.New("damaged", "", d.String()).WithHint(damageHint(d.File))
}

// damages is the damage that a running node knows of and can live with for a
// while: entries of the ledger that another node may still mend.
type damages struct {
	mu      sync.Mutex
	entries map[uint64]Damage
	suspect chan uint64 // entries that somebody asked for in vain

	// judging is held from before something is read until what was found in it
	// has been judged and mended. Otherwise what one reader finds may be mended
	// for another one meanwhile, and then look like a tree that is wrong.
	judging sync.Mutex
}

func newDamages() *damages {
	return &damages{entries: map[uint64]Damage{}, suspect: make(chan uint64, 16)}
}

// suspects is told of an entry that can't be read; it never waits.
func (d *damages) suspects(index uint64) {
	select {
	case d.suspect <- index:
	default: // the scrub will come by
	}
}

// add notes damage and reports whether it is news.
func (d *damages) add(x Damage) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, known := d.entries[x.Entry]
	d.entries[x.Entry] = x
	return !known
}

func (d *damages) mended(entry uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.entries, entry)
}

func (d *damages) list() (out []Damage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range d.entries {
		out = append(out, x)
	}
	return out
}

// err is why nothing is cosigned: nil while no damage is known.
func (d *damages) err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range d.entries {
		return x.fault()
	}
	return nil
}

// markDamaged notes on disk what the node stops for, so that it isn't started
// again, and used for hours, before the scrub comes by once more.
func markDamaged(dir string, all []Damage) error {
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(dir, markFile), append(data, '\n')); err != nil {
		return fmt.Errorf("note the damage: %w", err)
	}
	return nil
}

// refuseDamaged refuses a data directory that was found damaged.
func refuseDamaged(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, markFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var all []Damage
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil || len(all) == 0 {
		return fault.New("damaged", dir, "this node stopped because of damage").Because(err).
			WithHint("run `milepost node check`")
	}
	return all[0].fault()
}

// ClearDamage forgets, after a check that found nothing, that a data
// directory was damaged. It reports whether there was anything to forget.
func ClearDamage(dir string) (bool, error) {
	err := os.Remove(filepath.Join(dir, markFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fault.New("file", filepath.Join(dir, markFile), "it cannot be removed").Because(err)
	}
	return true, nil
}

// Advice says what helps against damage, each thing once.
func Advice(all []Damage) (hints []string) {
	for _, d := range all {
		if h := damageHint(d.File); !slices.Contains(hints, h) {
			hints = append(hints, h)
		}
	}
	return hints
}
