package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/verify"
)

// Client speaks the HTTPS API of one node. It is safe for concurrent use.
type Client struct {
	Address string // host:port
	Grant   string // base64 of the secret of a grant's link, for who has no account; "" for none
	pin     string
	id      *certs.TLSIdentity
	dial    DialFunc
	http    *http.Client
}

// DialFunc opens a network connection; nil is the ordinary one.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// NewClient returns a client of the node at address whose TLS key is pinned.
// A nil identity is a client without an account, for the public endpoints.
func NewClient(address, pin string, id *certs.TLSIdentity, dial DialFunc) *Client {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	}
	return &Client{Address: address, pin: pin, id: id, dial: dial, http: &http.Client{Transport: &http.Transport{
		DialContext:           dial,
		TLSClientConfig:       certs.ClientConfig(id, pin, "http/1.1"),
		TLSHandshakeTimeout:   5 * time.Second,
		MaxIdleConns:          0,
		MaxIdleConnsPerHost:   2048,
		IdleConnTimeout:       90 * time.Second,
		ResponseHeaderTimeout: time.Minute,
	}}}
}

// As returns a client of the same node in the name of another TLS key.
func (c *Client) As(id *certs.TLSIdentity) *Client { return NewClient(c.Address, c.pin, id, c.dial) }

// To returns a client of another node in the name of the same TLS key.
func (c *Client) To(address, pin string) *Client { return NewClient(address, pin, c.id, c.dial) }

// Identity is the TLS key that the client comes with; nil is none.
func (c *Client) Identity() *certs.TLSIdentity { return c.id }

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// RecordAnswer is what a node says of one submitted record.
type RecordAnswer struct {
	Status   string     `json:"status"` // accepted, present or refused
	Index    *uint64    `json:"index,omitempty"`
	LeafHash string     `json:"leaf_hash,omitempty"`
	Error    *ErrorBody `json:"error,omitempty"`
}

// SubmitAnswer is the answer to a submission.
type SubmitAnswer struct {
	Records    []RecordAnswer `json:"records"`
	Size       uint64         `json:"size"`       // size of a cosigned tree that covers all that were accepted
	Checkpoint string         `json:"checkpoint"` // its three lines; signed at /checkpoint
}

// ErrorBody is the one shape of errors.
type ErrorBody struct {
	Code  string `json:"code"`
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// Submit sends record notes and waits until they are acknowledged.
func (c *Client) Submit(ctx context.Context, notes ...[]byte) (*SubmitAnswer, error) {
	if len(notes) == 1 {
		return c.submit(ctx, http.Header{"Content-Type": {plain}}, notes[0], 1)
	}
	return c.SubmitEach(ctx, notes...)
}

// SubmitEach is Submit, but a refusal comes in the answer also if there is
// one note only: an error then says nothing about any of them.
func (c *Client) SubmitEach(ctx context.Context, notes ...[]byte) (*SubmitAnswer, error) {
	return c.submit(ctx, http.Header{"Content-Type": {"application/json"}}, bulkBody(notes), len(notes))
}

// forward sends notes on to the leader, by the name of who sent them.
func (c *Client) forward(ctx context.Context, who string, notes [][]byte) (*SubmitAnswer, error) {
	header := http.Header{"Content-Type": {"application/json"}}
	header.Set(forwardedHeader, "1")
	header.Set(memberHeader, who)
	return c.submit(ctx, header, bulkBody(notes), len(notes))
}

func (c *Client) submit(ctx context.Context, header http.Header, body []byte, count int) (*SubmitAnswer, error) {
	data, err := c.do(ctx, http.MethodPost, "/v1/records", header, body)
	if err != nil {
		return nil, err
	}
	out := new(SubmitAnswer)
	if err := json.Unmarshal(data, out); err != nil || len(out.Records) != count {
		return nil, errUnknown
	}
	return out, nil
}

// bulkBody is {"notes":[...]}.
func bulkBody(notes [][]byte) []byte {
	var in notesJSON
	for _, n := range notes {
		in.Notes = append(in.Notes, string(n))
	}
	body, _ := json.Marshal(in) // strings always can
	return body
}

// Check asks what would become of records if they were sent now; it changes
// nothing.
func (c *Client) Check(ctx context.Context, notes ...[]byte) (*CheckAnswer, error) {
	data, err := c.do(ctx, http.MethodPost, "/v1/records/check", http.Header{"Content-Type": {"application/json"}}, bulkBody(notes))
	if err != nil {
		return nil, err
	}
	out := new(CheckAnswer)
	if err := json.Unmarshal(data, out); err != nil || len(out.Records) != len(notes) {
		return nil, fault.New("unexpected", c.Address, "the answer is not one of POST /v1/records/check")
	}
	return out, nil
}

// Get fetches a path of the API.
func (c *Client) Get(ctx context.Context, path string) ([]byte, error) {
	return c.do(ctx, http.MethodGet, path, nil, nil)
}

// Proof fetches the proof file of a subject such as vehicle/<VIN>. It can
// carry the vehicle's other histories too: with names workshop, access.
func (c *Client) Proof(ctx context.Context, subject string, with ...string) ([]byte, error) {
	path := VehiclePath(subject) + "/proof"
	if len(with) > 0 {
		path += "?with=" + url.QueryEscape(strings.Join(with, ","))
	}
	return c.Get(ctx, path)
}

// VehiclePath is where the API serves a vehicle's history.
func VehiclePath(subject string) string {
	return "/v1/vehicles/" + url.PathEscape(strings.TrimPrefix(subject, "vehicle/"))
}

// Receipt fetches the receipt of a record: a C2SP tlog-proof.
func (c *Client) Receipt(ctx context.Context, leafHash string) ([]byte, error) {
	return c.Get(ctx, "/v1/records/"+leafHash+"/receipt")
}

// Status fetches what a node says of itself.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	data, err := c.Get(ctx, "/v1/status")
	if err != nil {
		return nil, err
	}
	s := new(Status)
	return s, json.Unmarshal(data, s)
}

// maxAnswer is the cap on an answer: a proof file is the largest.
const maxAnswer = verify.MaxFile + 1<<20

// do makes one request. A node's error comes back as *fault.Error with the
// node's code; what did not reach a node, or whose answer was lost, has the
// code unreachable, or unknown for a submission that may have been taken.
func (c *Client) do(ctx context.Context, method, path string, header http.Header, body []byte) ([]byte, error) {
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, method, "https://"+c.Address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if c.Grant != "" {
		req.Header.Set("Authorization", grantScheme+c.Grant)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := c.http.Do(req)
	if err != nil {
		e := c.unreached(err)
		if e.Code == "unreachable" && sent.Load() && method == http.MethodPost {
			e = fault.New("unknown", c.Address, "no answer came").Because(cause(err)).WithHint(errUnknown.Hint)
		}
		return nil, e
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil || len(data) > maxAnswer {
		return nil, fault.New("unknown", c.Address, "the answer broke off").Because(err).WithHint(errUnknown.Hint)
	}
	if resp.StatusCode == http.StatusOK {
		return data, nil
	}
	if resp.StatusCode == http.StatusConflict && resp.Header.Get("Content-Type") == sizeContent {
		if size, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 63); err == nil {
			return nil, errOldSize{size}
		}
	}
	return nil, c.refusal(resp, data)
}

// unreached is the error of a request that has no answer.
func (c *Client) unreached(err error) *fault.Error {
	var refused *fault.Error // by certs.ClientConfig: not the node that is expected there
	if errors.As(err, &refused) {
		return fault.New(refused.Code, c.Address, refused.What).WithHint(refused.Hint)
	}
	return fault.New("unreachable", c.Address, "the node cannot be reached").Because(cause(err)).
		WithHint("is the node running, and is its address right?")
}

// refusal is the error that a node answers with.
func (c *Client) refusal(resp *http.Response, data []byte) error {
	var e ErrorBody
	if json.Unmarshal(data, &e) == nil && e.Code != "" {
		return fault.New(e.Code, "", e.Error).WithHint(e.Hint)
	}
	return fault.New("unexpected", c.Address, fmt.Sprintf("the answer is %s", resp.Status))
}

// stream fetches a path whose answer may be of any length and hands it to
// take as it comes. Errors are those of do and of take.
func (c *Client) stream(ctx context.Context, path string, take func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.Address+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreached(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return take(resp.Body)
	}
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	return c.refusal(resp, data)
}

// cause drops the method and URL that net/http puts before every error.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// Client returns a client of one of the cluster's nodes in the name of a
// member, whose TLS key file is read; "" is a client without an account.
func (c *Cluster) Client(id, member string, passphrase func() ([]byte, error)) (*Client, error) {
	var identity *certs.TLSIdentity
	if member != "" {
		k, err := keyfile.ReadKeyFile(c.KeyPath(member, keyfile.UseTLS), passphrase)
		if err != nil {
			return nil, err
		}
		if identity, err = k.TLS(); err != nil {
			return nil, err
		}
	}
	return c.ClientAs(id, identity)
}

// ClientAs is Client for an identity at hand; nil is none. The node's own TLS
// key is pinned by the cluster file, or else by the founding; if neither has
// it, the error's code is pin_missing.
func (c *Cluster) ClientAs(id string, identity *certs.TLSIdentity) (*Client, error) {
	entry, err := c.Node(id)
	if err != nil {
		return nil, err
	}
	pin := entry.TLSKey
	if pin == "" {
		founding, err := ReadFounding(c.FoundingPath())
		if err != nil {
			return nil, err
		}
		for _, n := range founding.Genesis.Body.Get("nodes").List {
			if n.Get("id").Str == id {
				pin = n.Get("tls_key").Str
			}
		}
	}
	if pin == "" {
		return nil, fault.New("pin_missing", c.path, "neither the cluster file nor the founding has the TLS key of node "+id).
			WithHint("add tls_key to its [[node]]; `milepost key show` prints it where the node runs")
	}
	return NewClient(entry.Address, pin, identity, nil), nil
}
