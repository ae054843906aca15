package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/milepost-log/milepost/node"
)

// views is a cluster of four nodes in which all is well; change spoils it.
func views(change func(map[string]*nodeView)) []nodeView {
	const origin = "milepost.example/demo/c4f7ac69fa28a875f3dc4ae683ca339ed7c9da9b"
	ids := []string{"lyon", "turin", "leeds", "mutual"}
	out := make([]nodeView, len(ids))
	byID := map[string]*nodeView{}
	for i, id := range ids {
		st := &node.Status{
			Node: id, Origin: origin, Role: "follower", Leader: "lyon", Term: 3, TreeSize: 120, Published: 120, AsOf: "2026-11-22T07:18:42Z",
			Quorum: 3, Cosigners: 4, Tolerates: 1, Version: "0.1.0", Level: 1, Supports: 1, Disk: node.Disk{Free: 12_300_000_000, Size: 50_000_000_000},
		}
		for _, other := range ids {
			if other != id {
				st.Peers = append(st.Peers, node.PeerStatus{Node: other, Votes: other != "mutual"})
			}
		}
		out[i] = nodeView{Node: id, State: "up", Status: st}
		byID[id] = &out[i]
	}
	byID["lyon"].Status.Role, byID["mutual"].Status.Role = "leader", "observer"
	if change != nil {
		change(byID)
	}
	return out
}

func down(v *nodeView, code, why string) {
	v.State, v.Status, v.Error = "unreachable", nil, &node.ErrorBody{Code: code, Error: why, Hint: "is the node running, and is its address right?"}
}

var then = time.Date(2026, 11, 22, 7, 20, 0, 0, time.UTC)

// The one screen: when all is well, and when much is not.
func TestStatusScreen(t *testing.T) {
	t.Parallel()
	well := newOverview(views(nil), then)
	ill := newOverview(views(func(v map[string]*nodeView) {
		down(v["leeds"], "unreachable", "connection refused")
		v["turin"].Status.TreeSize, v["turin"].Clock = 12, -7.25
		v["turin"].Status.NotReady = []node.ErrorBody{{Code: "behind", Error: "this node's tree lacks 108 leaves that lyon has", Hint: "it catches up by itself"}}
		v["lyon"].Status.Published, v["lyon"].Status.TreeSize = 120_000, 120_000
		v["lyon"].Status.Silent = []node.Silence{
			{Node: "leeds", Since: "2026-11-22T07:10:00Z", Size: 120_000, Error: node.ErrorBody{Code: "unreachable", Error: "the node cannot be reached"}},
			{Node: "mutual", Since: "2026-11-22T07:12:00Z", Size: 120_000, Error: node.ErrorBody{Code: "root_mismatch", Error: "this node's own tree has another root at size 120000", Hint: "`milepost audit`"}},
		}
		v["mutual"].Status.Version = "0.2.0"
		v["mutual"].Status.Disk.Free = 900_000_000
		v["turin"].Status.Peers[0].Sighting = &node.Sighting{Error: &node.ErrorBody{Code: "unreachable", Error: "no answer came"}}
	}), then)
	nobody := newOverview(views(func(v map[string]*nodeView) {
		for _, v := range v {
			down(v, "unreachable", "no route to host")
		}
	}), then)
	got := well.screen() + "----\n" + ill.screen() + "----\n" + nobody.screen() + "----\n" + well.row() + ill.row()
	const golden = "testdata/status.golden"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
	screens, _, _ := strings.Cut(got, well.row())
	for _, l := range strings.Split(screens, "\n") {
		if n := len([]rune(l)); n > 100 {
			t.Errorf("a line of %d columns: %s", n, l)
		}
	}
}

// Each thing that is wrong is found, under its code and at its node, and
// nothing else is.
func TestStatusFindings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(map[string]*nodeView)
		want   string
	}{
		"well":     {nil, ""},
		"a second": {func(v map[string]*nodeView) { v["leeds"].Clock = 1.5 }, ""},
		"clock":    {func(v map[string]*nodeView) { v["leeds"].Clock = 3 }, "leeds:clock"},
		"all clocks off the caller's": {func(v map[string]*nodeView) {
			for _, v := range v {
				v.Clock = 4000
			}
		}, ""},
		"no leader": {func(v map[string]*nodeView) {
			for _, v := range v {
				v.Status.Leader, v.Status.Role = "", "candidate"
			}
		}, ":no_leader"},
		"observer down": {func(v map[string]*nodeView) { down(v["mutual"], "unreachable", "x") }, "mutual:unreachable"},
		"voter down":    {func(v map[string]*nodeView) { down(v["turin"], "wrong_server_key", "x") }, ":no_reserve turin:wrong_server_key"},
		"majority down": {func(v map[string]*nodeView) {
			down(v["turin"], "unreachable", "x")
			down(v["leeds"], "unreachable", "x")
		}, ":no_majority :no_quorum turin:unreachable leeds:unreachable"},
		"far behind":       {func(v map[string]*nodeView) { v["lyon"].Status.Published = 5000 }, "lyon:behind turin:behind leeds:behind mutual:behind"},
		"disk nearly full": {func(v map[string]*nodeView) { v["lyon"].Status.Disk.Free = 4_000_000_000 }, "lyon:disk"},
		"old program":      {func(v map[string]*nodeView) { v["lyon"].Status.Level = 2 }, "lyon:newer_needed"},
		"a node not upgraded": {func(v map[string]*nodeView) {
			for id, v := range v {
				if id != "turin" {
					v.Status.Supports = 2
				}
			}
		}, ":feature_level"},
		"a liar": {func(v map[string]*nodeView) {
			for _, id := range []string{"lyon", "leeds"} {
				v[id].Status.Refused = []node.Refusal{{Node: "turin", Count: 2, Error: node.ErrorBody{Code: "root_mismatch"}}, {Node: "turin", Count: 1, Error: node.ErrorBody{Code: "old_size"}}, {Node: "turin", Count: 99, Error: node.ErrorBody{Code: "overloaded"}}}
			}
		}, "turin:root_mismatch turin:root_mismatch"},
		"a flood": {func(v map[string]*nodeView) {
			v["lyon"].Status.Refused = []node.Refusal{{Node: "turin", Count: 100, Error: node.ErrorBody{Code: "overloaded"}}}
		}, "turin:overloaded"},
		"no liar":     {func(v map[string]*nodeView) { v["lyon"].Status.Tolerates = 0 }, ":tolerates_none"},
		"another log": {func(v map[string]*nodeView) { v["turin"].Status.Origin = "else/1234" }, ":origin"},
		"silent": {func(v map[string]*nodeView) {
			v["lyon"].Status.Silent = []node.Silence{{Node: "turin", Error: node.ErrorBody{Code: "behind"}}}
		}, "turin:behind"},
		// What a node that led long ago remembers says nothing of now.
		"silent once": {func(v map[string]*nodeView) {
			v["leeds"].Status.Silent = []node.Silence{{Node: "turin", Error: node.ErrorBody{Code: "behind"}}}
		}, ""},
	} {
		o := newOverview(views(c.change), then)
		var got []string
		for _, f := range o.Findings {
			got = append(got, f.Node+":"+f.Code)
			if f.Says == "" {
				t.Errorf("%s: %s has no words", name, f.Code)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: found %q, not %q", name, strings.Join(got, " "), c.want)
		}
	}
}

// --watch draws anew on a terminal, adds lines or JSON elsewhere, goes on
// after a failure, and ends in good order.
func TestStatusWatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		terminal, asJSON bool
		check            func(string) bool
	}{
		"terminal": {true, false, func(s string) bool {
			return strings.Count(s, "\x1b[H") == 2 && strings.Count(s, "All is well.") == 2 && strings.HasSuffix(s, "\x1b[J\n")
		}},
		"pipe": {false, false, func(s string) bool {
			const row = "2026-11-22T07:20:00Z leader lyon, published 120, 4 of 4 nodes up, 4 cosign\n"
			return s == row+"the line is down\n"+row
		}},
		"json": {false, true, func(s string) bool {
			lines := strings.Split(strings.TrimSpace(s), "\n")
			var o overview
			return len(lines) == 3 && strings.HasPrefix(lines[1], `{"code":`) && json.Unmarshal([]byte(lines[2]), &o) == nil && o.Leader == "lyon" && len(o.Nodes) == 4
		}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		tick := make(chan time.Time, 2)
		tick <- then
		tick <- then
		out := &endingWriter{end: cancel, after: 3}
		calls := 0
		err := watchStatus(ctx, out, c.terminal, c.asJSON, tick, func(context.Context) (*overview, error) {
			if calls++; calls == 2 {
				return nil, errors.New("the line is down")
			}
			return newOverview(views(nil), then), nil
		})
		if err != nil || calls != 3 || !c.check(out.b.String()) {
			t.Errorf("%s: %d looks, %v:\n%q", name, calls, err, out.b.String())
		}
	}
	// What can't be begun is an error.
	if err := watchStatus(t.Context(), &bytes.Buffer{}, false, false, nil, func(context.Context) (*overview, error) { return nil, errShown }); !errors.Is(err, errShown) {
		t.Errorf("an error at the beginning: %v", err)
	}
}

// endingWriter ends a watch once so many pieces were written.
type endingWriter struct {
	b     bytes.Buffer // not embedded: its WriteString would go past Write
	after int
	end   func()
}

func (w *endingWriter) Write(p []byte) (int, error) {
	if w.after--; w.after == 0 {
		w.end()
	}
	return w.b.Write(p)
}
