package node

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/verify"
)

// postRecords takes one record note as text, or {"notes":[...]}. Any node
// takes it and checks it; a follower sends it on to the leader, one hop.
func (n *Node) postRecords(w http.ResponseWriter, r *http.Request, c caller) error {
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	if r.Header.Get(forwardedHeader) != "" && !n.leads() {
		return errNoLeader // sent on once already; the leader has just changed
	}
	who, stranger := n.callerName(c, r)
	notes, bulk, done, err := n.readNotes(r, who)
	defer done()
	if err != nil {
		return err
	}
	out, err := n.accept(ctx, who, notes)
	if err != nil {
		return err
	}
	if bulk {
		n.rates.refuse(who, stranger, out.refused())
	}
	if !bulk && out.Records[0].Error != nil {
		e := out.Records[0].Error
		return fault.New(e.Code, "", e.Error).WithHint(e.Hint)
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// readNotes reads one record note as text, or {"notes":[...]}, if there is
// room for so many bytes of this caller's; done gives the room back.
func (n *Node) readNotes(r *http.Request, who string) (notes [][]byte, bulk bool, done func(), err error) {
	size := int(r.ContentLength)
	if size < 0 || size > maxBody {
		size = maxBody
	}
	if !n.bodies.take(who, size) {
		return nil, false, func() {}, errBusy
	}
	done = func() { n.bodies.give(who, size) }
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, false, done, readError(err)
	}
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/json" {
		return [][]byte{body}, false, done, nil
	}
	notes, err = bulkNotes(body)
	return notes, true, done, err
}

// refused counts the records of an answer that were.
func (a *SubmitAnswer) refused() (count int) {
	for i := range a.Records {
		if a.Records[i].Error != nil {
			count++
		}
	}
	return count
}

// accept takes records at this node: as the leader, or by sending them on.
func (n *Node) accept(ctx context.Context, who string, notes [][]byte) (out *SubmitAnswer, err error) {
	switch {
	case n.stopping.Load():
		err = errStopping
	case n.roomErr() != nil:
		err = n.roomErr()
	case n.leads():
		out, err = n.submit(ctx, who, notes)
	default:
		out, err = n.forward(ctx, who, notes)
	}
	if err != nil {
		return nil, err
	}
	// Read your writes: the head that covers the records is known here too.
	return out, n.waitPublished(ctx, out.Size, errUnknown)
}

func readError(err error) error {
	return fmt.Errorf("read the request: %w", &bodyError{err})
}

// bodyError keeps a cut-off body from counting as an error of this node.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return e.err.Error() }
func (e *bodyError) Unwrap() []error {
	return []error{e.err, fault.New("body", "", "the body could not be read")}
}

func bulkNotes(body []byte) ([][]byte, error) {
	notes, err := parseNotes(body)
	if err == nil && (len(notes) == 0 || len(notes) > maxNotes) {
		err = fault.New("request_form", "notes", fmt.Sprintf("1 to %d records are expected, here are %d", maxNotes, len(notes)))
	}
	return notes, err
}

// precheck opens a record and checks whatever can be checked before it has
// its place in the log. It is advice to the sender; the state machine
// decides. Two checks are here alone, since they look at a clock.
func (n *Node) precheck(note []byte) (*record.Record, error) {
	r, err := record.Open(note)
	if err != nil {
		return nil, err
	}
	if r.Def == nil {
		return nil, record.ErrUnknownType(r.Type)
	}
	now := n.now()
	if err := CheckTimes(r, now); err != nil {
		return nil, err
	}
	if err := n.allFollow(r); err != nil {
		return nil, err
	}
	if !n.state.precheck(r) {
		// It may be a governance record, or be refused: ask the authority.
		n.state.withAuthority(func(a *verify.Authority) {
			at := verify.Place{Index: verify.MaxIndex, Time: now.UnixMilli()}
			err = a.Check(r, at, n.state.sigs.verify)
		})
		switch fault.Code(err) {
		case "signature", "origin", "key_revoked", "not_allowed":
			return nil, err
		}
		// What is unknown here may have come into the log a moment ago.
	}
	return r, nil
}

// CheckTimes refuses a record whose times lie ahead of a clock (code future):
// by more than 10 minutes when it happened, by a day when it was signed.
func CheckTimes(r *record.Record, now time.Time) error {
	if r.EventTime.After(now.Add(maxAhead)) {
		return fault.New("future", "event_time", "the event lies in the future: "+record.FormatTime(r.EventTime)).
			WithHint("check the clock and the time zone of the workshop system")
	}
	if r.Captured.After(now.Add(24 * time.Hour)) {
		return fault.New("future", "captured_time", "the record was signed over a day ahead of this node's clock").
			WithHint("check the clock of the machine that signs")
	}
	return nil
}

// precheckAll checks records in the caller's turns. The error is an outage.
func (n *Node) precheckAll(ctx context.Context, who string, notes [][]byte) (recs []*record.Record, errs []error, err error) {
	recs, errs = make([]*record.Record, len(notes)), make([]error, len(notes))
	const chunk = 32
	var parts []func()
	for lo := 0; lo < len(notes); lo += chunk {
		parts = append(parts, func() {
			for i := lo; i < min(lo+chunk, len(notes)); i++ {
				recs[i], errs[i] = n.precheck(notes[i])
			}
		})
	}
	return recs, errs, n.inTurn(ctx, who, parts...)
}

// inTurn has a caller's work done, on as many cores as there are, one part of
// each caller in turn; what is left when ctx ends is left out.
func (n *Node) inTurn(ctx context.Context, who string, parts ...func()) error {
	done := make(chan any, len(parts)) // what a part panicked with; nil
	for i, part := range parts {
		parts[i] = func() {
			defer func() { done <- recover() }() // it ends this request, and not the process
			if ctx.Err() == nil {
				part()
			}
		}
	}
	n.work.push(who, parts...)
	for range parts {
		select {
		case panicked := <-done:
			if panicked != nil {
				panic(panicked)
			}
		case <-n.ctx.Done():
			return errStopping
		}
	}
	if ctx.Err() != nil {
		return errBusy // nothing was proposed yet
	}
	return nil
}

// worker does what callers wait for in inTurn.
func (n *Node) worker(ctx context.Context) {
	for {
		if part, ok := n.work.pop(); ok {
			part()
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-n.work.wake:
		}
	}
}

// submit is the leader's way: check, batch, agree, and wait for the quorum.
func (n *Node) submit(ctx context.Context, who string, notes [][]byte) (*SubmitAnswer, error) {
	// From here on until the answer: a check of signatures is what most of
	// the time goes into.
	if !n.places.take(who, len(notes)) {
		return nil, errBusy
	}
	defer n.places.give(who, len(notes))
	out := &SubmitAnswer{Records: make([]RecordAnswer, len(notes))}
	recs, errs, err := n.precheckAll(ctx, who, notes)
	if err != nil {
		return nil, err
	}
	var good []*record.Record
	var slots []int
	for i, r := range recs {
		if errs[i] == nil && r.Type == "node.removed/1" {
			errs[i] = n.mayLeave(ctx, r.Body.Get("id").Str)
		}
		if errs[i] == nil {
			good, slots = append(good, recs[i]), append(slots, i)
		} else {
			out.Records[i] = refusedAnswer(errs[i])
			n.metrics.refusals.WithLabelValues(fault.Code(errs[i])).Inc()
		}
	}
	answers, err := n.pool.submit(ctx, who, good)
	if err != nil {
		return nil, err
	}
	for i, a := range answers {
		o := a.outcome
		switch {
		case o.err != nil && isOutage(o.err):
			return nil, o.err
		case o.err != nil:
			out.Records[slots[i]] = refusedAnswer(o.err)
		default:
			status := "accepted"
			if o.present {
				status = "present"
			}
			out.Records[slots[i]] = RecordAnswer{Status: status, Index: &o.index, LeafHash: verify.Hex(o.hash)}
			out.Size = max(out.Size, a.size)
		}
	}
	// An acknowledgement means: on a majority of disks, and under a head that
	// the quorum signed.
	if err := n.waitPublished(ctx, out.Size, errUnknown); err != nil {
		return nil, err
	}
	err = n.withHead(func(h *head) error {
		out.Size = h.size
		out.Checkpoint = (&verify.Checkpoint{Origin: n.origin, Size: h.size, Root: h.view.Root}).Text()
		return nil
	})
	return out, err
}

func refusedAnswer(err error) RecordAnswer {
	body := errorBody(err)
	return RecordAnswer{Status: "refused", Error: &body}
}

// isOutage tells errors of the service from refusals of a record.
func isOutage(err error) bool {
	s := statuses[fault.Code(err)]
	return s >= 500
}

// forward sends a submission on to the leader. The form of a single one is
// checked first, so that what nobody would take costs the leader nothing.
func (n *Node) forward(ctx context.Context, who string, notes [][]byte) (*SubmitAnswer, error) {
	if len(notes) == 1 {
		_, errs, err := n.precheckAll(ctx, who, notes)
		if err != nil {
			return nil, err
		}
		if errs[0] != nil {
			n.metrics.refusals.WithLabelValues(fault.Code(errs[0])).Inc()
			return &SubmitAnswer{Records: []RecordAnswer{refusedAnswer(errs[0])}}, nil
		}
	}
	p := n.leaderPeer()
	if p == nil {
		return nil, errNoLeader
	}
	out, err := p.client.forward(ctx, who, notes)
	switch fault.Code(err) {
	case "unreachable", "stopping":
		return nil, errNoLeader
	}
	return out, err
}

// postAddCheckpoint is C2SP tlog-witness add-checkpoint.
func (n *Node) postAddCheckpoint(w http.ResponseWriter, r *http.Request, c caller) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return readError(err)
	}
	req, err := parseCosignRequest(body)
	if err != nil {
		n.blame(c.node.ID, 0, err)
		return err
	}
	sigs, err := n.cosign(r.Context(), c.node.ID, req)
	if old, ok := err.(errOldSize); ok {
		w.Header().Set("Content-Type", sizeContent)
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, "%d\n", old.size)
		return nil
	}
	if err != nil {
		return err
	}
	if n.lie.cosign != nil {
		sigs = n.lie.cosign(sigs)
	}
	var lines strings.Builder
	for _, s := range sigs {
		lines.WriteString(s.Line())
	}
	return writeText(w, plain, []byte(lines.String()))
}

// postHead takes a head that another node published or cosigned.
func (n *Node) postHead(w http.ResponseWriter, r *http.Request, c caller) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return readError(err)
	}
	if err := n.takeHead(c.node.ID, body); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// postFresh asks the leader for a round with an unchanged tree, so that a
// proof file says that it is complete as of now.
func (n *Node) postFresh(w http.ResponseWriter, r *http.Request, c caller) error {
	if !n.leads() {
		return errNoLeader
	}
	n.askFresh()
	w.WriteHeader(http.StatusOK)
	return nil
}

func (n *Node) askFresh() {
	n.fresh.Store(n.now().Add(-freshForFile).UnixNano())
	select {
	case n.wakeRounds <- struct{}{}:
	default:
	}
}
