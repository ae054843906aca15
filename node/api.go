package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/verify"
)

// Caps of the API.
const (
	maxBody         = 8 << 20   // bytes of a request
	maxNotes        = 2000      // records of one submission
	maxBodies       = 128 << 20 // bytes of submissions that are read or answered
	answerTimeout   = 20 * time.Second
	forwardedHeader = "Milepost-Forwarded" // a node sent it on: one hop only
	sizeContent     = "text/x.tlog.size"   // C2SP tlog-witness
)

// caller is who sent a request: a peer is who its pinned TLS key says.
type caller struct {
	pin    string
	node   *verify.Node
	member *verify.Member
}

func (c caller) String() string {
	switch {
	case c.node != nil:
		return "node " + c.node.ID
	case c.member != nil:
		return c.member.Name
	case c.pin != "":
		return "an unknown key"
	}
	return "nobody"
}

// Who may call an endpoint.
type audience int

const (
	public  audience = iota // anyone, without a client certificate too
	members                 // members and nodes
	nodes                   // nodes
)

func (n *Node) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, who audience, fn func(http.ResponseWriter, *http.Request, caller) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			c := n.callerOf(r)
			name, stranger := n.callerName(c, r)
			err := n.rates.take(name, stranger)
			if err == nil {
				err = n.admit(c, who)
			}
			if err == nil {
				r.Body = http.MaxBytesReader(w, r.Body, maxBody)
				err = fn(w, r, c)
			}
			if err != nil {
				n.refuse(w, r, err)
				if status := statuses[fault.Code(err)]; c.node == nil && status < 500 && status != http.StatusNotFound {
					n.rates.refuse(name, stranger, 1)
				}
			}
		})
	}
	handle("POST /v1/records", members, n.postRecords)
	handle("POST /v1/records/check", members, n.postCheck)
	handle("GET /v1/records/{hash}", public, n.getRecord) // by class and grant
	handle("GET /v1/records/{hash}/receipt", public, n.getReceipt)
	handle("GET /v1/vehicles/{vin}", public, n.getVehicle) // by class and grant
	handle("GET /v1/vehicles/{vin}/proof", public, n.getProof)
	handle("GET /v1/members", members, n.getMembers)
	handle("GET /v1/members/{name}", members, n.getMember)
	handle("GET /v1/governance", members, n.getGovernance)
	handle("GET /v1/governance/proof", public, n.getGovernanceProof) // members, nodes, and those of before
	handle("POST /v1/votes/{change}", nodes, n.postVotes)
	handle("GET /v1/policy", public, n.getPolicy)
	handle("GET /v1/bridge", public, n.getBridge)
	handle("GET /v1/status", members, n.getStatus)
	handle("GET /v1/time", public, n.getTime)
	handle("GET /checkpoint", public, n.getCheckpoint)
	handle("GET /tile/{path...}", public, n.getTile)
	handle("GET /tile/entries/{path...}", members, n.getEntries)
	handle("POST /add-checkpoint", nodes, n.fewAtOnce("add-checkpoint", n.postAddCheckpoint))
	handle("POST /v1/heads", nodes, n.fewAtOnce("heads", n.postHead))
	handle("GET /v1/bridges", public, n.getBridges)
	handle("POST /v1/heads/fresh", nodes, n.postFresh)
	handle("GET /v1/ledger/{index}", nodes, n.getLedger)
	handle("GET /v1/backup", nodes, n.getBackup)
	handle("GET /healthz", public, n.getHealth)
	handle("GET /readyz", public, n.getReady)
	metrics := promhttp.HandlerFor(n.metrics.registry, promhttp.HandlerOpts{})
	handle("GET /metrics", members, func(w http.ResponseWriter, r *http.Request, _ caller) error {
		metrics.ServeHTTP(w, r)
		return nil
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// What the mux would answer itself, in plain text or by a redirect, is
		// an error in its one shape here.
		if _, pattern := mux.Handler(r); pattern != "" && path.Clean(r.URL.Path) == r.URL.Path {
			mux.ServeHTTP(w, r)
			return
		}
		n.refuse(w, r, noHandler(mux, w, r))
	})
}

// noHandler tells a wrong method from a wrong path.
func noHandler(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) error {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := mux.Handler(other); pattern != "" && path.Clean(r.URL.Path) == r.URL.Path {
			w.Header().Set("Allow", method)
			return fault.New("method", "", "this is "+method+" only")
		}
	}
	return fault.New("not_found", "", "there is nothing here of this name").WithHint("docs/api.md lists what there is")
}

// pinOfConn is the key, in the context of a connection's requests, of the pin
// of its client.
type pinOfConn struct{}

// withPin reads the pin off a connection, whose handshake is done, once for
// all its requests.
func withPin(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		if pin, ok := certs.PinOf(t.ConnectionState()); ok {
			return context.WithValue(ctx, pinOfConn{}, pin)
		}
	}
	return ctx
}

// callerOf tells who is at the other end of the connection.
func (n *Node) callerOf(r *http.Request) (c caller) {
	pin, ok := r.Context().Value(pinOfConn{}).(string)
	if !ok {
		return c
	}
	c.pin = pin
	n.state.withAuthority(func(a *verify.Authority) {
		c.node, c.member = a.NodeByPin(pin), a.MemberByPin(pin)
	})
	if c.node == nil && c.member == nil {
		c.node = n.foundingNode(pin) // before genesis is applied here
	}
	return c
}

func (n *Node) admit(c caller, who audience) error {
	switch {
	case who == public, c.node != nil, who == members && c.member != nil:
		return nil
	case c.pin == "":
		return fault.New("unauthenticated", "", "this needs the TLS key of a member").WithHint("name the member with --as, so that its key file is used")
	case who == nodes:
		return fault.New("forbidden", "", "this is for nodes of the cluster only")
	}
	return fault.New("forbidden", "", "this TLS key belongs to no member of the log").WithHint("the key may have been revoked, its member suspended, or its registration has not reached this node yet")
}

// statuses maps error codes to HTTP statuses; what is not listed and not
// internal is the caller's fault: 422.
var statuses = map[string]int{
	"unauthenticated": 401, "forbidden": 403, "no_access": 403, "grant_revoked": 403, "grant_expired": 403, "grant_scope": 403, "no_usage_key": 503, "not_found": 404, "no_record": 404, "no_member": 404, "no_tile": 404,
	"method": 405, "too_large": 413, "rate_limited": 429, "request_form": 400, "json_form": 400, "body": 400, "old_size": 400,
	"no_leader": 503, "overloaded": 503, "behind": 503, "no_head": 503, "clock": 503, "no_quorum": 503, "unreachable": 503, "stopping": 503, "node_unreachable": 503, "node_behind": 503, "not_transferred": 503,
	"damaged": 503, "ledger_corrupt": 503, "tree_corrupt": 503, "backup_busy": 503, "outbox_damaged": 503,
	"unknown": 504, "disk_full": 507, "internal": 500, "log_unknown": 404, "log_key_missing": 403,
}

// HTTPStatus is the status that an error code is answered with.
func HTTPStatus(code string) int {
	if s := statuses[code]; s != 0 {
		return s
	}
	return http.StatusUnprocessableEntity
}

// refuse writes an error in its one shape. What is internal is logged and
// not told.
func (n *Node) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		err = fault.New("too_large", "", "the body is larger than "+strconv.Itoa(maxBody)+" bytes").WithHint("send fewer records at once")
	}
	code := fault.Code(err)
	status := HTTPStatus(code)
	switch status {
	case http.StatusServiceUnavailable, http.StatusInsufficientStorage, http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
	}
	if fast := (*tooFast)(nil); errors.As(err, &fast) {
		w.Header().Set("Retry-After", strconv.Itoa(int(fast.seconds)))
		if fast.tell {
			c := n.callerOf(r)
			who, _ := n.callerName(c, r)
			n.log.Warn("a caller is cut short", "caller", who, "err", err)
		}
	}
	n.metrics.refusals.WithLabelValues(code).Inc()
	body := errorBody(err)
	if code == "internal" {
		n.log.Error("request failed", "path", r.URL.Path, "err", err)
		body.Error = "an error inside the node; its log says more"
	}
	writeJSON(w, status, body)
}

func errorBody(err error) ErrorBody {
	return ErrorBody{Code: fault.Code(err), Error: err.Error(), Hint: fault.Hint(err)}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"code":"internal","error":"the answer could not be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)+1))
	w.WriteHeader(status)
	w.Write(append(data, '\n'))
}

func writeText(w http.ResponseWriter, contentType string, data []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, err := w.Write(data)
	if err != nil {
		return nil // the caller has gone
	}
	return nil
}

const plain = "text/plain; charset=utf-8"

// parseNotes reads {"notes":["...", ...]}, the form of a bulk submission and
// of a founding file, with nothing else in it or after it.
func parseNotes(data []byte) (notes [][]byte, err error) {
	bad := func(why string) ([][]byte, error) {
		return nil, fault.New("json_form", "", "not {\"notes\":[...]}: "+why)
	}
	if !utf8.Valid(data) {
		return bad("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	for _, want := range []json.Token{json.Delim('{'), "notes", json.Delim('[')} {
		if t, err := d.Token(); err != nil || t != want {
			return bad(fmt.Sprintf("%v is expected at byte %d", want, d.InputOffset()))
		}
	}
	for d.More() {
		t, err := d.Token()
		s, ok := t.(string)
		if err != nil || !ok {
			return bad(fmt.Sprintf("a string is expected at byte %d", d.InputOffset()))
		}
		notes = append(notes, []byte(s))
	}
	for _, want := range []json.Token{json.Delim(']'), json.Delim('}')} {
		if t, err := d.Token(); err != nil || t != want {
			return bad(fmt.Sprintf("%v is expected at byte %d", want, d.InputOffset()))
		}
	}
	if _, err := d.Token(); err != io.EOF {
		return bad("bytes follow it")
	}
	return notes, nil
}

// withHead calls fn with the published head and the tree under it.
func (n *Node) withHead(fn func(h *head) error) error {
	h := n.heads.current()
	if h == nil {
		return errNoHead
	}
	defer h.view.Release()
	return fn(h)
}

var errNoHead = fault.New("no_head", "", "no tree head has been cosigned by the quorum yet").WithHint("are enough nodes up? try again in a moment")

// waitPublished waits until a cosigned head covers a tree size. The error
// that it returns when that takes too long is late.
func (n *Node) waitPublished(ctx context.Context, size uint64, late error) error {
	covered := n.heads.covered(size)
	select {
	case <-covered:
		return nil
	default:
	}
	select {
	case <-covered:
		return nil
	case <-ctx.Done():
		return late
	case <-n.done:
		return late
	}
}

// errLate is for reads; writes have errUnknown.
var errLate = fault.New("behind", "", "no tree head that the quorum cosigned covers this yet").WithHint("are enough nodes up? try again in a moment")
