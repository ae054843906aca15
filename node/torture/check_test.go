//go:build unix

package torture

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

// verdict is what the evidence comes to.
type verdict struct {
	lost  int      // acknowledged records that some node doesn't have where the receipt says
	wrong []string // empty if all is well
}

func (v *verdict) add(format string, args ...any) {
	v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
}

// check judges. It reads nothing but the evidence.
func check(e *evidence) *verdict {
	v := &verdict{wrong: slices.Clone(e.wrong)}
	longest := v.trees(e)
	v.records(e)
	v.heads(e, longest)
	v.reads(e, longest)
	return v
}

// trees demands one tree of all nodes, of those that were removed a part of it
// from its beginning, and returns it.
func (v *verdict) trees(e *evidence) []leaf {
	var whole []leaf
	var where string
	for id, t := range e.trees {
		if !e.partial[id] && (where == "" || len(t) > len(whole) || len(t) == len(whole) && id < where) {
			whole, where = t, id
		}
	}
	if where == "" {
		v.add("there is no tree of a node that stayed")
	}
	for _, id := range sorted(e.trees) {
		t := e.trees[id]
		if len(t) > len(whole) {
			v.add("%s, which was removed, has %d leaves, the others %d", id, len(t), len(whole))
			continue
		}
		if !e.partial[id] && len(t) != len(whole) {
			v.add("%s has %d leaves, %s has %d", id, len(t), where, len(whole))
		}
		for i := range t {
			if t[i] != whole[i] {
				v.add("%s and %s have different leaves at index %d", id, where, i)
				break
			}
		}
	}
	return whole
}

// records demands every acknowledged record exactly once on every node, at the
// index that was told.
func (v *verdict) records(e *evidence) {
	told := map[hash]uint64{}
	for _, a := range e.acks {
		if old, twice := told[a.hash]; twice && old != a.index {
			v.add("record %x was acknowledged at index %d and at index %d", a.hash[:4], old, a.index)
		}
		told[a.hash] = a.index
	}
	gone := map[hash]bool{}
	for _, id := range sorted(e.trees) {
		at := map[hash]uint64{}
		for i, l := range e.trees[id] {
			if l.seal {
				continue
			}
			if old, twice := at[l.hash]; twice {
				v.add("%s has record %x at index %d and at index %d", id, l.hash[:4], old, i)
			}
			at[l.hash] = uint64(i)
		}
		for h, index := range told {
			if got, there := at[h]; there && got == index || e.partial[id] && index >= uint64(len(e.trees[id])) {
				continue
			} else if there {
				v.add("%s has record %x at index %d, which was acknowledged at index %d", id, h[:4], got, index)
			} else {
				v.add("%s has lost record %x, acknowledged at index %d", id, h[:4], index)
			}
			gone[h] = true
		}
	}
	v.lost = len(gone)
}

// heads demands that each head ever shown is the root of the first leaves of
// the one tree: any two of them are consistent then, and no two of one size
// differ.
func (v *verdict) heads(e *evidence, whole []leaf) {
	bySize := map[uint64][]head{}
	for h := range e.heads {
		bySize[h.size] = append(bySize[h.size], h)
	}
	for _, size := range sorted(bySize) {
		for _, h := range bySize[size][1:] {
			if first := bySize[size][0]; h.root != first.root {
				v.add("two heads of size %d differ: %s and %s", size, first.from, h.from)
			}
		}
		if size > uint64(len(whole)) {
			v.add("a head of size %d was shown by %s, the tree has %d leaves", size, bySize[size][0].from, len(whole))
		}
	}
	r := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for i, l := range whole {
		if err := r.Append(l.hash[:], nil); err != nil {
			v.add("%v", err)
			return
		}
		shown := bySize[uint64(i)+1]
		if len(shown) == 0 {
			continue
		}
		root, err := r.GetRootHash(nil)
		if err != nil {
			v.add("%v", err)
			return
		}
		for _, h := range shown {
			if string(root) != string(h.root[:]) {
				v.add("the head of size %d shown by %s is not of the tree that came of it", h.size, h.from)
			}
		}
	}
}

// reads demands that the strict reads and the writes of each car can be put
// into one order that respects who was answered before whom began, and that
// each read saw what stands in the tree.
func (v *verdict) reads(e *evidence, whole []leaf) {
	for _, o := range e.operations {
		for _, s := range o.seen {
			if s.index >= uint64(len(whole)) || whole[s.index].hash != s.hash {
				v.add("a strict read of %s shows record %x at index %d, where it does not stand", o.car, s.hash[:4], s.index)
			}
		}
	}
	byCar := map[string][]porcupine.Operation{}
	for _, o := range e.operations {
		byCar[o.car] = append(byCar[o.car], porcupine.Operation{Input: o, Call: o.call, Return: o.ret})
	}
	for _, car := range sorted(byCar) {
		if !porcupine.CheckOperations(history, byCar[car]) {
			v.add("the %d reads and writes of %s are not linearizable", len(byCar[car]), car)
		}
	}
}

// history is the history of one car as a machine: its state is the leaf hashes
// of its records, in their order.
var history = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, _ any) (bool, any) {
		o, s := input.(operation), state.(string)
		if o.write {
			return true, s + string(o.hash[:])
		}
		var seen []byte
		for _, a := range o.seen {
			seen = append(seen, a.hash[:]...)
		}
		return string(seen) == s, s
	},
}

// sorted returns the keys of a map in their order, so that a verdict reads the
// same each time.
func sorted[K string | uint64, V any](m map[K]V) []K {
	var keys []K
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
