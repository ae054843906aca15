package node_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
)

// request is one call of the API and the refusal that it deserves.
type request struct {
	what    string
	method  string // GET if empty
	path    string
	content string // type of the body
	body    []byte
	as      string // a member, "node" for another node, "stranger" for an unknown key, "" for nobody
	status  int
	code    string
}

// refuses makes the request at a node and holds the answer against what is
// documented: status, code, one JSON shape.
func (c *cluster) refuses(at string, r request) {
	c.t.Helper()
	cl := c.callers(at, r.as)
	method := r.method
	if method == "" {
		method = http.MethodGet
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "https://"+cl.Address+r.path, bytes.NewReader(r.body))
	must(c.t, err)
	if r.content != "" {
		req.Header.Set("Content-Type", r.content)
	}
	resp, err := cl.Raw(req)
	if err != nil {
		c.t.Errorf("%s: %s: %v", at, r.what, err)
		return
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	must(c.t, err)
	if resp.StatusCode != r.status {
		c.t.Errorf("%s: %s: status %d, want %d: %s", at, r.what, resp.StatusCode, r.status, data)
	}
	if resp.Header.Get("Content-Type") != "application/json" {
		c.t.Errorf("%s: %s: the answer is %s", at, r.what, resp.Header.Get("Content-Type"))
	}
	var e node.ErrorBody
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || e.Error == "" {
		c.t.Errorf("%s: %s: %q is not the shape of errors (%v)", at, r.what, data, err)
	}
	if e.Code != r.code {
		c.t.Errorf("%s: %s: code %q (%s), want %q", at, r.what, e.Code, e.Error, r.code)
	}
	later := resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusInsufficientStorage || resp.StatusCode == http.StatusTooManyRequests
	if retry := resp.Header.Get("Retry-After"); (retry != "") != later {
		c.t.Errorf("%s: %s: Retry-After is %q with status %d", at, r.what, retry, resp.StatusCode)
	}
}

func (c *cluster) callers(at, as string) *node.Client {
	c.t.Helper()
	switch as {
	case "node":
		from := "mutual"
		if at == from {
			from = "leeds"
		}
		return c.nodeClient(from, at)
	case "stranger":
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.clients[at+" stranger"] == nil {
			k, err := keyfile.NewKey(keyfile.UseTLS, "stranger.example", rand.Reader)
			must(c.t, err)
			id, err := k.TLS()
			must(c.t, err)
			c.clients[at+" stranger"] = c.clientAs(at, id)
		}
		return c.clients[at+" stranger"]
	}
	return c.as(at, as)
}

// signedText signs a text that no milepost program would write.
func (c *cluster) signedText(text string, signers ...certs.Signer) []byte {
	c.t.Helper()
	if len(signers) == 0 {
		signers = []certs.Signer{c.signer}
	}
	n := certs.Note{Text: text}
	for _, s := range signers {
		sig, err := s.Sign([]byte(text))
		must(c.t, err)
		n.Sigs = append(n.Sigs, sig)
	}
	return n.Bytes()
}

// altered is a sound reading with one thing replaced, signed again.
func (c *cluster) altered(old, new string) []byte {
	c.t.Helper()
	text, err := c.draft(vin(1)).Text()
	must(c.t, err)
	if !strings.Contains(text, old) {
		c.t.Fatalf("the record holds no %q", old)
	}
	return c.signedText(strings.Replace(text, old, new, 1))
}

// badRecords are records that no node may take, with their codes.
func (c *cluster) badRecords() []request {
	future := c.draft(vin(1))
	future.EventTime = record.FormatUTC(time.Now().Add(11 * time.Minute))
	captured := c.draft(vin(1))
	captured.Captured = record.FormatUTC(time.Now().Add(25 * time.Hour))
	origin := c.draft(vin(1))
	origin.Origin = "milepost.example/demo/0123456789abcdef0123456789abcdef01234567"
	second, err := c.Signer(other)
	must(c.t, err)
	insurer, err := c.Signer("insurer.example/mutual")
	must(c.t, err)
	created := c.draft(vin(1))
	created.Author, created.Type, created.Body = "insurer.example/mutual", "vehicle.created/1", createdBody()
	text, err := c.draft(vin(1)).Text()
	must(c.t, err)
	var out []request
	for _, b := range []struct {
		what string
		note []byte
		code string
	}{
		{"a VIN with the letter I", c.altered("vehicle/"+vin(1), "vehicle/VF1AAAAI000000001"), "subject"},
		{"a VIN of 16 characters", c.altered("vehicle/"+vin(1), "vehicle/VF1AAAA000000001"), "subject"},
		{"a VIN in lower case", c.altered("vehicle/"+vin(1), "vehicle/vf1aaaa0000000001"), "subject"},
		{"no record", []byte("hello"), "note_form"},
		{"nothing", nil, "note_form"},
		{"a text that is no record", c.signedText("hello\n"), "record_form"},
		{"another version", c.altered("record@v1", "record@v2"), "record_form"},
		{"JSON that is not canonical", c.altered(`{"author"`, `{ "author"`), "json_form"},
		{"an unknown field", c.altered(`"type":`, `"surprise":1,"type":`), "field"},
		{"an unknown field in the body", c.altered(`"unit":"KMT"`, `"surprise":1,"unit":"KMT"`), "field"},
		{"a number in words", c.altered("50000", `"50000"`), "field"},
		{"a negative odometer", c.altered("50000", "-50000"), "field"},
		{"an unknown type", c.altered("odometer.reading/1", "odometer.reading/2"), "unknown_type"},
		{"an event in the future", c.sign(future), "future"},
		{"signed tomorrow", c.sign(captured), "future"},
		{"another log's record", c.sign(origin), "origin"},
		{"two signatures", c.signedText(text, c.signer, second), "signatures"},
		{"signed by somebody else", c.signedText(text, second), "author"},
		{"a signature that does not fit", forgeSignature(c.reading(vin(1), 5)), "signature"},
		{"an insurer who builds cars", c.sign(created, insurer), "not_allowed"},
		{"over 60,000 bytes", c.altered(`"source":"visual"`, `"source":"`+strings.Repeat("v", 60_000)+`"`), "too_large"},
	} {
		status := 422
		switch b.code {
		case "too_large":
			status = 413
		case "json_form":
			status = 400
		}
		out = append(out, request{b.what, "POST", "/v1/records", "text/plain; charset=utf-8", b.note, dealer, status, b.code})
	}
	return out
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	startCluster(t, nil).play(t, scene{"bad requests", badRequests}, scene{"half-open requests", halfOpenRequests})
}

// Bad input at the API is refused with the documented code and status, in
// one shape, at the leader and at a follower, and changes nothing.
func badRequests(t *testing.T, c *cluster) {
	good := c.reading(vin(2), 10_000)
	c.ack("lyon", good)
	size, root := c.agree()
	const text, jsonType = "text/plain; charset=utf-8", "application/json"
	post := func(what, as, content string, body []byte, status int, code string) request {
		return request{what, "POST", "/v1/records", content, body, as, status, code}
	}
	many := func(n int) []byte {
		notes := make([]string, n)
		for i := range notes {
			notes[i] = "x"
		}
		b, _ := json.Marshal(map[string]any{"notes": notes})
		return b
	}
	head := c.checkpoint(size, root, "leeds")
	hash := strings.Repeat("0", 64)
	requests := append(c.badRecords(),
		post("no JSON", dealer, jsonType, []byte("hello"), 400, "json_form"),
		post("JSON as text", dealer, text, []byte(`{"notes":["x"]}`), 422, "note_form"),
		post("a record as JSON", dealer, jsonType, good, 400, "json_form"),
		post("an unknown JSON field", dealer, jsonType, []byte(`{"notes":["x"],"more":1}`), 400, "json_form"),
		post("a field in capitals", dealer, jsonType, []byte(`{"Notes":["x"]}`), 400, "json_form"),
		post("the field twice", dealer, jsonType, []byte(`{"notes":["x"],"notes":["x"]}`), 400, "json_form"),
		post("not a list", dealer, jsonType, []byte(`{"notes":"x"}`), 400, "json_form"),
		post("not strings", dealer, jsonType, []byte(`{"notes":[1]}`), 400, "json_form"),
		post("bytes after the JSON", dealer, jsonType, []byte(`{"notes":["x"]} {}`), 400, "json_form"),
		post("cut off", dealer, jsonType, []byte(`{"notes":["x"`), 400, "json_form"),
		post("no UTF-8", dealer, jsonType, []byte("{\"notes\":[\"\xff\"]}"), 400, "json_form"),
		post("no notes", dealer, jsonType, []byte(`{"notes":[]}`), 400, "request_form"),
		post("too many notes", dealer, jsonType, many(2001), 400, "request_form"),
		post("over 8 MiB", dealer, jsonType, bytes.Repeat([]byte(" "), 8<<20+1), 413, "too_large"),
		post("a record by nobody", "", text, good, 401, "unauthenticated"),
		post("a record by an unknown key", "stranger", text, good, 403, "forbidden"),

		request{"history, nobody", "", "/v1/vehicles/" + vin(1), "", nil, "", 401, "unauthenticated"},
		request{"proof, an unknown key", "", "/v1/vehicles/" + vin(1) + "/proof", "", nil, "stranger", 403, "forbidden"},
		request{"status, nobody", "", "/v1/status", "", nil, "", 401, "unauthenticated"},
		request{"metrics, nobody", "", "/metrics", "", nil, "", 401, "unauthenticated"},
		request{"bundle, nobody", "", "/tile/entries/000.p/1", "", nil, "", 401, "unauthenticated"},
		request{"a VIN that is none", "", "/v1/vehicles/VF1", "", nil, dealer, 422, "vin_form"},
		request{"a short number that is none", "", "/v1/vehicles/short%2Fa", "", nil, dealer, 422, "subject"},
		request{"a leaf hash that is none", "", "/v1/records/xyz", "", nil, dealer, 400, "request_form"},
		request{"a leaf hash in capitals", "", "/v1/records/" + strings.Repeat("AB", 32), "", nil, dealer, 400, "request_form"},
		request{"an unknown leaf hash", "", "/v1/records/" + hash, "", nil, dealer, 404, "no_record"},
		request{"the receipt of an unknown one", "", "/v1/records/" + hash + "/receipt", "", nil, "", 404, "no_record"},
		request{"an unknown consistency", "", "/v1/vehicles/" + vin(1) + "?consistency=loose", "", nil, dealer, 400, "request_form"},

		request{"a wrong method", "DELETE", "/v1/records", "", nil, dealer, 405, "method"},
		request{"GET for POST", "GET", "/v1/records", "", nil, dealer, 405, "method"},
		request{"POST for GET", "POST", "/checkpoint", "", nil, dealer, 405, "method"},
		request{"PUT of a tile", "PUT", "/tile/0/000", "", nil, dealer, 405, "method"},
		request{"bundle, no auditor", "", "/tile/entries/000.p/1", "", nil, dealer, 403, "no_access"},
		request{"an unknown path", "", "/v1/nothing", "", nil, dealer, 404, "not_found"},
		request{"the root", "", "/", "", nil, dealer, 404, "not_found"},
		request{"a path that is not clean", "", "/v1//status", "", nil, dealer, 404, "not_found"},
		request{"a way up", "", "/v1/../v1/status", "", nil, dealer, 404, "not_found"},
		request{"a slash at the end", "", "/v1/status/", "", nil, dealer, 404, "not_found"},

		request{"a cosignature for a member", "POST", "/add-checkpoint", "", node.CosignBody(0, nil, head), dealer, 403, "forbidden"},
		request{"a cosignature for nobody", "POST", "/add-checkpoint", "", node.CosignBody(0, nil, head), "", 401, "unauthenticated"},
		request{"a head by a member", "POST", "/v1/heads", "", head, dealer, 403, "forbidden"},
		request{"a head that is none", "POST", "/v1/heads", "", []byte("hello\n"), "node", 422, "checkpoint_form"},
	)
	for _, p := range []string{"8/000", "-1/000", "00/000", "x/000", "0/0", "0/0000", "0/x000/000", "0/001/000", "0/000.p/0",
		"0/000.p/256", "0/000.p/01", "0/000.p/1/2", "0/999", "0/x001/x001/x001/x001/x001/x001/001", "entries/1", "entries/999"} {
		requests = append(requests, request{"tile " + p, "", "/tile/" + p, "", nil, auditor, 404, "no_tile"})
	}
	for _, b := range []string{"", "old 0\n", "old 0\n\n", "old\n\n" + string(head), "old -1\n\n" + string(head), "old 01\n\n" + string(head),
		"old +0\n\n" + string(head), "old 0 \n\n" + string(head), "old 99999999999999999999\n\n" + string(head), "new 0\n\n" + string(head),
		"old 0\nAAAA\n\n" + string(head), "old 0\n!\n\n" + string(head), "old 0\r\n\n" + string(head),
		"old 0\n" + strings.Repeat(strings.Repeat("A", 43)+"=\n", 64) + "\n" + string(head)} {
		status, code := 400, "request_form"
		if b == "old 0\n\n" {
			status, code = 422, "checkpoint_form"
		}
		requests = append(requests, request{fmt.Sprintf("add-checkpoint %.30q", b), "POST", "/add-checkpoint", "", []byte(b), "node", status, code})
	}
	for _, at := range []string{c.leader(), c.followers()[0]} {
		for _, r := range requests {
			c.refuses(at, r)
		}
	}
	if s, _ := c.agree(); s != size {
		t.Errorf("the tree has grown from %d to %d leaves", size, s)
	}
}

// A client that goes away in the middle of a request changes nothing and
// holds nobody up.
func halfOpenRequests(t *testing.T, c *cluster) {
	size, _ := c.agree()
	id, err := c.key(dealer, keyfile.UseTLS).TLS()
	must(t, err)
	pin, err := c.key("node/turin", keyfile.UseTLS).Public()
	must(t, err)
	entry, err := c.Cluster.Cluster.Node("turin")
	must(t, err)
	note := c.reading(newVIN(), 50_000)
	full := fmt.Sprintf("POST /v1/records HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(note), note)
	starts := []string{
		"", "P", "POST /v1/records HTTP/1.1\r\n", "POST /v1/records HTTP/1.1\r\nHost: x\r\n",
		full[:len(full)-len(note)], full[:len(full)-1],
		"POST /v1/records HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nmilep",
		"POST /v1/records HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{\"notes\":[",
	}
	var open []*tls.Conn
	for range 5 {
		for _, s := range starts {
			conn, err := tls.Dial("tcp", entry.Address, certs.ClientConfig(id, pin, "http/1.1"))
			must(t, err)
			defer conn.Close()
			_, err = conn.Write([]byte(s))
			must(t, err)
			open = append(open, conn)
		}
	}
	// They hang; others are served.
	if _, err := c.as("turin", dealer).Status(t.Context()); err != nil {
		t.Error(err)
	}
	for _, conn := range open {
		conn.Close()
	}
	if s, _ := c.agree(); s != size {
		t.Errorf("the tree has grown from %d to %d leaves", size, s)
	}
	if ans := c.ack("turin", note); ans.Records[0].Status != "accepted" {
		t.Errorf("the record was there: %+v", ans.Records[0])
	}
}
