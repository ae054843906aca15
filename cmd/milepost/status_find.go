package main

import (
	"fmt"
	"math"
	"strings"
)

// What is worth an operator's look.
const (
	lagWorth   = 1000    // leaves that a node is behind
	clockWorth = 2.0     // seconds that a clock is off the nodes' median
	roomWorth  = 10      // percent of a disk that should be free
	roomLeast  = 1 << 30 // bytes that must be free
	clockLimit = 120.0   // seconds beyond which a leader proposes nothing
)

// find lists what is to be looked at, the worst first: what stops the whole
// cluster, then what is wrong with single nodes.
func (o *overview) find() {
	say := func(node, code, hint, format string, args ...any) {
		o.Findings = append(o.Findings, finding{node, code, fmt.Sprintf(format, args...), hint})
	}
	if o.up() > 0 {
		o.findAll(say)
	}
	versions := map[string][]string{}
	for i := range o.Nodes {
		v := &o.Nodes[i]
		o.findNode(v, say)
		if v.Status != nil {
			versions[v.Status.Version] = append(versions[v.Status.Version], v.Node)
		}
	}
	if len(versions) > 1 {
		var each []string
		for _, version := range sortedKeys(versions) {
			each = append(each, version+" at "+strings.Join(versions[version], ", "))
		}
		say("", "versions", "install the newer one on all nodes, one node after the other", "the nodes run different versions: %s", strings.Join(each, "; "))
	}
}

func (o *overview) findAll(say func(node, code, hint, format string, args ...any)) {
	whole := o.whole()
	if o.Leader == "" {
		say("", "no_leader", "start voters until a majority is up", "no node leads: nothing can be recorded")
	}
	if need := o.Voters/2 + 1; whole && o.VotersUp < need {
		say("", "no_majority", "start voters until a majority is up", "%d of %d voters are up, and %d are needed to record anything", o.VotersUp, o.Voters, need)
	} else if whole && o.VotersUp == need && o.VotersUp < o.Voters {
		say("", "no_reserve", "bring the others back soon", "no further voter may fail")
	}
	if n := o.cosigning(); whole && n < o.Quorum {
		say("", "no_quorum", "start the nodes that are down", "%d nodes cosign, and %d are needed to acknowledge anything", n, o.Quorum)
	}
	if o.Tolerates == 0 {
		say("", "tolerates_none", "see docs/governance.md on nodes and quorum", "the policy tolerates no lying node")
	}
	var know, lack []string
	for i := range o.Nodes {
		if st := o.Nodes[i].Status; st != nil && st.Supports >= o.knownLevel() {
			know = append(know, st.Node)
		} else if st != nil {
			lack = append(lack, st.Node)
		}
	}
	if len(lack) > 0 {
		say("", "feature_level", "install the newer milepost there too before the level is raised", "feature level %d is known to %s, not to %s",
			o.knownLevel(), strings.Join(know, ", "), strings.Join(lack, ", "))
	}
	origins := map[string][]string{}
	for i := range o.Nodes {
		if st := o.Nodes[i].Status; st != nil {
			origins[st.Origin] = append(origins[st.Origin], st.Node)
		}
	}
	if len(origins) > 1 {
		say("", "origin", "they have different founding files: compare the fingerprints", "the nodes are of different logs")
	}
}

// whole reports whether all nodes were asked, and not only one.
func (o *overview) whole() bool { return len(o.Nodes) >= o.Voters }

// cosigning counts the nodes that are up and cosigned when asked last.
func (o *overview) cosigning() (n int) {
	for i := range o.Nodes {
		if v := &o.Nodes[i]; v.Status != nil && v.Silent == nil {
			n++
		}
	}
	return n
}

func (o *overview) findNode(v *nodeView, say func(node, code, hint, format string, args ...any)) {
	st := v.Status
	if st == nil && v.State == "unreachable" {
		code, why, hint := "unreachable", "why is not known", ""
		if v.Error != nil {
			code, why, hint = v.Error.Code, v.Error.Error, v.Error.Hint
		}
		say(v.Node, code, hint, "cannot be reached: %s", why)
	}
	if v.Silent != nil && (st != nil || v.Silent.Error.Code != "unreachable") {
		say(v.Node, v.Silent.Error.Code, v.Silent.Error.Hint, "has not cosigned since %s: %s", v.Silent.Since, v.Silent.Error.Error)
	}
	if st == nil {
		return
	}
	for _, e := range st.NotReady {
		say(v.Node, e.Code, e.Hint, "takes no records: %s", e.Error)
	}
	if v.Lag >= lagWorth {
		say(v.Node, "behind", "it catches up by itself; if it doesn't, its log says why", "is %d leaves behind", v.Lag)
	}
	if off := math.Abs(v.Clock); off > clockLimit {
		say(v.Node, "clock", "set its clock", "its clock is %.0f s off the nodes' median: it can't lead", off)
	} else if off > clockWorth {
		say(v.Node, "clock", "let a time service set its clock", "its clock is %.1f s off the nodes' median", off)
	}
	if d := st.Disk; d.Size > 0 && (d.Free < roomLeast || d.Free*100 < d.Size*roomWorth) {
		say(v.Node, "disk", "make room: a node whose disk is full stops", "%s are free on its disk of %s", bytesWords(d.Free), bytesWords(d.Size))
	}
	if st.Level > st.Supports {
		say(v.Node, "newer_needed", "install a newer milepost", "the log is at feature level %d, its program knows %d", st.Level, st.Supports)
	}
	for _, r := range st.Refused {
		if r.Grave() {
			say(r.Node, r.Error.Code, "one of the two lies or has lost data: compare with what the others say; docs/threat-model.md, Using evidence",
				"%s has refused it %s since %s: %s", v.Node, times(r.Count), r.Since, r.Error.Error)
		}
	}
	for _, p := range st.Peers {
		if p.Sighting != nil && p.Error != nil && o.isUp(p.Node) {
			say(v.Node, p.Error.Code, "look at the line between the two", "does not reach %s, which is up: %s", p.Node, p.Error.Error)
		}
	}
}

// knownLevel is the newest feature level that any node's program knows.
func (o *overview) knownLevel() (level int64) {
	for i := range o.Nodes {
		if st := o.Nodes[i].Status; st != nil {
			level = max(level, st.Supports)
		}
	}
	return level
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func (o *overview) isUp(id string) bool {
	for i := range o.Nodes {
		if o.Nodes[i].Node == id {
			return o.Nodes[i].Status != nil
		}
	}
	return false
}

// bytesWords writes a number of bytes as a person reads it.
func bytesWords(n uint64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for ; v >= unit && i < 4; i++ {
		v /= unit
	}
	return fmt.Sprintf("%.1f %cB", v, "kMGTP"[i])
}
