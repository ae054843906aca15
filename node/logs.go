package node

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/milepost-log/milepost/certs/fault"
)

// A node's log has few and stable keys, so that a program can be told what to
// look for; docs/watching.md lists every line with its level and keys:
//
//	node     who logs it              err      the error, in words
//	peer     the other node           code     the error's stable code
//	size     of a tree head, leaves   entry    index in the ledger
//	index    index in the log         path     of a request

// withCodes adds the stable code of an error to a line that logs one.
type withCodes struct{ slog.Handler }

func (h withCodes) Handle(ctx context.Context, r slog.Record) error {
	var code string
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "code" {
			code = ""
			return false
		}
		if err, ok := a.Value.Any().(error); ok && a.Key == "err" {
			code = fault.Code(err)
			var lie *Contradiction
			if errors.As(err, &lie) {
				code = "contradiction"
			}
		}
		return true
	})
	if code != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("code", code))
	}
	return h.Handler.Handle(ctx, r)
}

func (h withCodes) WithAttrs(as []slog.Attr) slog.Handler {
	return withCodes{h.Handler.WithAttrs(as)}
}

func (h withCodes) WithGroup(name string) slog.Handler { return withCodes{h.Handler.WithGroup(name)} }

// noteChanges logs who leads, which nodes answer and whether this one is
// ready, whenever that changes. One goroutine calls it.
func (n *Node) noteChanges(was *noted) {
	if leads := n.leader(); leads != was.leader {
		was.leader = leads
		if leads == "" {
			n.log.Warn("no node leads")
		} else {
			n.log.Info("a node leads", "peer", leads)
		}
	}
	ready := ""
	for _, c := range n.checks() {
		if c.Err != nil {
			ready = fault.Code(c.Err)
			if ready != was.notReady && ready != "stopping" {
				n.log.Warn("not ready: records can't be sent here", "err", c.Err)
			}
			break
		}
	}
	if ready == "" && was.notReady != "" {
		n.log.Info("ready: records can be sent here")
	}
	was.notReady = ready
}

// noted is what noteChanges logged last.
type noted struct{ leader, notReady string }

// raftLine logs a line of Raft's own, such as "[WARN]  raft: heartbeat timeout
// reached", at its level.
func raftLine(log *slog.Logger, line string) {
	level := slog.LevelInfo
	if rest, ok := strings.CutPrefix(line, "["); ok {
		if name, rest, ok := strings.Cut(rest, "]"); ok {
			level, line = map[string]slog.Level{"WARN": slog.LevelWarn, "ERROR": slog.LevelError}[name], strings.TrimSpace(rest)
		}
	}
	log.Log(context.Background(), level, line)
}
