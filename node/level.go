package node

import (
	"fmt"
	"maps"
	"slices"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// allFollow refuses a record that would stop a node whose program is too old
// for it: one that raises the feature level, or publishes rules with a type
// that this program lacks. Like all that the API checks it is advice, given as
// of when this node last looked at the others: the log itself knows nothing
// of programs, and a node that can't follow stops, it never judges differently.
func (n *Node) allFollow(r *record.Record) error {
	switch r.Type {
	case "rules.published/1":
		for _, t := range r.Body.Get("types").Strings() {
			if !n.state.knowsType(t) {
				return newerNeeded("this program does not know " + t)
			}
		}
	case "feature.raised/1":
		level := r.Body.Get("level").Int
		if level > n.state.level {
			return newerNeeded(fmt.Sprintf("this program knows feature level %d, not %d", n.state.level, level))
		}
		for _, id := range slices.Sorted(maps.Keys(n.nodesNow())) {
			if id == n.id {
				continue
			}
			if s, _ := n.sightOf(id); s.status == nil {
				return newerNeeded(fmt.Sprintf("whether node %s knows feature level %d is not known: it has not answered since this node started", id, level)).
					WithHint("start it, or have it removed")
			} else if s.status.Supports < level {
				return newerNeeded(fmt.Sprintf("the program of node %s knows feature level %d, not %d: it would stop", id, s.status.Supports, level))
			}
		}
	}
	return nil
}

func newerNeeded(what string) *fault.Error {
	return fault.New("newer_needed", "", what).WithHint("install a newer milepost on every node first; docs/operations.md, Upgrade")
}
