package node

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Raft has a line for each message that it refuses: a peer that sends
// thousands does not fill the log with them, and what is left out is counted.
func TestRaftsLinesAreBounded(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	w := &slogWriter{log: slog.New(slog.NewTextHandler(&out, nil)), now: func() time.Time { return now }}
	say := func(n int) {
		for range n {
			if _, err := w.Write([]byte("[WARN]  raft: rejecting vote request since we have a leader\n")); err != nil {
				t.Fatal(err)
			}
		}
	}
	say(5000)
	if n := strings.Count(out.String(), "rejecting"); n != maxRaftLines {
		t.Errorf("%d lines are logged", n)
	}
	now = now.Add(time.Second)
	out.Reset()
	say(1)
	if s := out.String(); !strings.Contains(s, "lines=4980") || strings.Count(s, "rejecting") != 1 {
		t.Errorf("it says %s", s)
	}
}
