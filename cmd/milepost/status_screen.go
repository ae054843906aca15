package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
)

// screen is an overview for a person: at most 100 columns, all of a cluster
// of five in 24 lines while all is well.
func (o *overview) screen() string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
	}
	if o.up() > 0 {
		line("%s", logName(o.Origin))
		leader := "No node leads."
		if o.Leader != "" {
			leader = fmt.Sprintf("%s leads (term %d).", o.Leader, o.Term)
		}
		head := "No tree head has a quorum yet."
		if o.Published > 0 {
			head = fmt.Sprintf("%d leaves under a head of %s that the quorum signed.", o.Published, o.AsOf)
		}
		line("%s %s", leader, head)
		cosign, raft := fmt.Sprintf("; %d cosign", o.cosigning()), fmt.Sprintf("%d of %d voters up", o.VotersUp, o.Voters)
		if !o.whole() {
			cosign, raft = "", fmt.Sprintf("%d voters", o.Voters)
		}
		line("Quorum: %d of %d nodes, tolerates liars: %d%s.  Raft: %s.  Feature level %d.",
			o.Quorum, o.Cosigners, o.Tolerates, cosign, raft, o.Level)
		line("")
	}
	line("%-12s %-10s %-6s %10s %8s  %-14s %9s %10s  %s", "NODE", "ROLE", "READY", "LEAVES", "LAG", "COSIGNS", "CLOCK", "DISK FREE", "VERSION")
	for i := range o.Nodes {
		v := &o.Nodes[i]
		st := v.Status
		if st == nil {
			why := ""
			if v.Votes {
				why = ", a voter" // the role says it of the others
			}
			if v.Error != nil {
				why += ": " + v.Error.Error
			}
			line("%-12s %s", v.Node, clip(v.State+why, 86))
			continue
		}
		cosigns, ready, free := "yes", "yes", "?"
		if v.Silent != nil {
			cosigns = clip("no: "+v.Silent.Error.Code, 14)
		}
		if len(st.NotReady) > 0 {
			ready = "NO"
		}
		if st.Disk.Size > 0 {
			free = bytesWords(st.Disk.Free)
		}
		line("%-12s %-10s %-6s %10d %8d  %-14s %7.1f s %10s  %s", v.Node, st.Role, ready, st.TreeSize, v.Lag, cosigns, v.Clock, free, st.Version)
	}
	line("")
	if len(o.Findings) == 0 {
		line("All is well.")
		return b.String()
	}
	line("To be looked at:")
	for _, f := range o.Findings {
		line("  %s", clip(f.String(), 98))
		if f.Hint != "" {
			line("    -> %s", clip(f.Hint, 93))
		}
	}
	return b.String()
}

// clip bounds a text to a number of columns.
func clip(s string, columns int) string {
	r := []rune(s)
	if len(r) <= columns {
		return s
	}
	return string(r[:columns-1]) + "…"
}

func (f finding) String() string {
	s := f.Says + " [" + f.Code + "]"
	if f.Node != "" {
		s = f.Node + ": " + s
	}
	return s
}

// row is an overview in one line, for what is appended to a file.
func (o *overview) row() string {
	leader := o.Leader
	if leader == "" {
		leader = "none"
	}
	parts := []string{fmt.Sprintf("%s leader %s, published %d, %d of %d nodes up, %d cosign", o.Time, leader, o.Published, o.up(), len(o.Nodes), o.cosigning())}
	for _, f := range o.Findings {
		parts = append(parts, f.String())
	}
	return strings.Join(parts, "; ") + "\n"
}

// watchStatus shows an overview now and at every tick until ctx ends: on a
// terminal the screen is drawn anew, elsewhere a line is added. What fails
// after the first time is shown, and tried again.
func watchStatus(ctx context.Context, out io.Writer, terminal, asJSON bool, tick <-chan time.Time, look func(context.Context) (*overview, error)) error {
	for first := true; ; first = false {
		o, err := look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && first:
			return err
		case err != nil && asJSON:
			err = json.NewEncoder(out).Encode(node.ErrorBody{Code: fault.Code(err), Error: err.Error(), Hint: fault.Hint(err)})
		case err != nil:
			_, err = fmt.Fprintf(out, "%v\n", err)
		case asJSON:
			err = json.NewEncoder(out).Encode(o)
		case terminal:
			// Home, draw, then clear what was longer before: no flicker.
			text := strings.ReplaceAll(o.screen(), "\n", "\x1b[K\n")
			_, err = fmt.Fprintf(out, "\x1b[H%s\x1b[K%s (ctrl-c ends)\x1b[J", text, o.Time)
		default:
			_, err = io.WriteString(out, o.row())
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			if terminal {
				fmt.Fprintln(out)
			}
			return nil
		case <-tick:
		}
	}
}
