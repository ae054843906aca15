package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// unsigned is what a workshop system asks to be signed.
func unsigned(km int) []byte {
	return fmt.Appendf(nil, `{"type": "odometer.reading", "vehicle": "VF1AAAA0000000001", "event_time": "2026-05-01T08:00:00+02:00",
 "body": {"value": %d, "unit": "KMT", "precision": "exact", "purpose": "service_in", "result": "read", "source": "visual"}}`, 10_000+km)
}

func newWorkshop(t *testing.T, cfg WorkshopConfig) *Workshop {
	t.Helper()
	cfg.Signer = func() (certs.Signer, error) { return signerOf(member), nil }
	cfg.Origin, cfg.Member, cfg.Zone = origin, member, time.FixedZone("", 3600)
	w, err := NewWorkshop(cfg)
	must(t, err)
	return w
}

// What a workshop system says becomes the record that `record new` makes of
// it; whatever is wrong with it is named, and nothing is signed.
func TestDraft(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, WorkshopConfig{Queue: newTestQueue(t, newMemDisk(1)), Log: newLog()})
	text, err := w.draft(unsigned(5))
	must(t, err)
	r, err := record.OpenDraft(text)
	must(t, err)
	if r.Type != "odometer.reading/1" || r.Author != member || r.Subjects[0] != "vehicle/VF1AAAA0000000001" || r.Precision != "minute" ||
		record.FormatTime(r.EventTime) != "2026-05-01T08:00:00+02:00" || time.Since(r.Captured) > time.Hour || r.Body.Get("value").Int != 10_005 {
		t.Fatal(text)
	}
	whole := string(unsigned(5))
	text, err = w.draft([]byte(strings.Replace(whole, "2026-05-01T08:00:00+02:00", "2026-05-01", 1)))
	must(t, err)
	if !strings.Contains(text, `"event_precision":"date","event_time":"2026-05-01T00:00:00+01:00"`) {
		t.Fatal(text)
	}
	for _, c := range []struct{ old, new, code string }{
		{whole, "", "json_form"},
		{whole, "[]", "json_form"},
		{whole, `{"type":"odometer.reading","type":"odometer.reading"}`, "json_form"},
		{`"vehicle"`, `"car"`, "field"},
		{`"VF1AAAA0000000001"`, `7`, "field"},
		{`"event_time"`, `"time"`, "field"},
		{`"event_time": "2026-05-01T08:00:00+02:00",`, ``, "field"},
		{`2026-05-01T08:00:00+02:00`, `yesterday`, "time_form"},
		{`2026-05-01T08:00:00+02:00`, `2999-05-01T08:00:00+02:00`, "future"},
		{`odometer.reading`, `odometer.nonsense`, "unknown_type"},
		{`VF1AAAA0000000001`, `VF1AAAA000000000I`, "vin_form"},
		{`"vehicle": "VF1AAAA0000000001",`, ``, "subject"},
		{`"type"`, `"subjects": ["vehicle/VF1AAAA0000000001"], "type"`, "field"},
		{`"exact"`, `"roughly"`, "field"},
		{`10005`, `10005.5`, "json_form"},
		{`"type"`, `"refs": ["nonsense"], "type"`, "field"},
	} {
		if !strings.Contains(whole, c.old) {
			t.Fatalf("%q is not there", c.old)
		}
		_, err := w.draft([]byte(strings.Replace(whole, c.old, c.new, 1)))
		if err == nil || fault.Code(err) != c.code {
			t.Errorf("%s -> %s: %v (%s), want %s", c.old, c.new, err, fault.Code(err), c.code)
		}
	}
}

// FuzzDraft: whatever comes is refused with a code, or a record that can be
// signed.
func FuzzDraft(f *testing.F) {
	f.Add(unsigned(1))
	f.Add([]byte(`{"type":"service.visit","vehicle":"short/AB-12","subjects":[],"refs":[],"attachments":[],"actor":"x","body":{},"event_time":"2026-05-01"}`))
	q, err := Create(Config{Dir: "q", Origin: origin, Member: member, disk: newMemDisk(1)})
	if err != nil {
		f.Fatal(err)
	}
	w, err := NewWorkshop(WorkshopConfig{Queue: q, Log: newLog(), Origin: origin, Member: member, Zone: time.UTC})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := w.draft(data)
		if err != nil {
			if fault.Code(err) == "internal" {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		if _, err := record.OpenDraft(text); err != nil {
			t.Fatal(err)
		}
	})
}

// testDoor is a workshop with an endpoint, that runs until the test ends.
type testDoor struct {
	*Workshop
	t   *testing.T
	url string
}

func openDoor(t *testing.T, log Log, q *Queue, wait time.Duration) *testDoor {
	t.Helper()
	l, err := Listen("127.0.0.1:0")
	must(t, err)
	token, err := ReadToken(filepath.Join(t.TempDir(), "workshop.token"))
	must(t, err)
	d := &testDoor{newWorkshop(t, WorkshopConfig{Queue: q, Log: log, Listener: l, Token: token, Wait: wait}), t, "http://" + l.Addr().String()}
	d.run()
	return d
}

func (d *testDoor) run() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	d.t.Cleanup(func() { // before the directories are removed
		stop()
		if err := <-done; err != nil {
			d.t.Error(err)
		}
	})
}

// ask makes a request as a workshop system would; change, if not nil, spoils it.
func (d *testDoor) ask(method, path, key string, body []byte, change func(*http.Request)) (status int, ans Answer, code string) {
	d.t.Helper()
	r, err := http.NewRequest(method, d.url+path, bytes.NewReader(body))
	must(d.t, err)
	r.Header.Set("Authorization", "Bearer "+d.cfg.Token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultClient.Do(r)
	must(d.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(d.t, err)
	must(d.t, json.Unmarshal(text, &ans))
	if ans.ErrorBody != nil {
		code = ans.Code
	}
	return resp.StatusCode, ans, code
}

// A workshop system's records are signed once for each key, however often it
// asks, also after the node came back.
func TestDoor(t *testing.T) {
	t.Parallel()
	q, log := newTestQueue(t, nil), newLog()
	d := openDoor(t, log, q, time.Minute)
	status, first, _ := d.ask("POST", "/v1/sign", "job-1", unsigned(1), nil)
	if status != 200 || first.Status != Acknowledged || *first.Index != 100 || first.Receipt != "receipt of "+first.LeafHash+"\n" {
		t.Fatalf("%d %+v", status, first)
	}
	status, again, _ := d.ask("POST", "/v1/sign", "job-1", unsigned(1), nil)
	if status != 200 || again.LeafHash != first.LeafHash || len(log.kept()) != 1 {
		t.Fatalf("%d %+v", status, again)
	}
	d2 := openDoor(t, log, q, time.Minute) // after a restart
	if status, again, _ = d2.ask("POST", "/v1/sign", "job-1", unsigned(1), nil); status != 200 || again.LeafHash != first.LeafHash {
		t.Fatalf("%d %+v", status, again)
	}
	if status, _, code := d.ask("POST", "/v1/sign", "job-1", unsigned(2), nil); status != 422 || code != "idempotency_key" {
		t.Fatalf("%d %s", status, code)
	}
	status, other, _ := d.ask("POST", "/v1/sign", "job-2", unsigned(1), nil)
	if status != 200 || other.LeafHash == first.LeafHash {
		t.Fatalf("%d %+v", status, other)
	}
	if status, ans, _ := d.ask("GET", "/v1/sign/"+first.LeafHash, "", nil, nil); status != 200 || ans.Status != Acknowledged || ans.Receipt == "" {
		t.Fatalf("%d %+v", status, ans)
	}
	if status, _, code := d.ask("GET", "/v1/sign/"+strings.Repeat("0", 64), "", nil, nil); status != 404 || code != "no_record" {
		t.Fatalf("%d %s", status, code)
	}
	if status, _, code := d.ask("POST", "/v1/sign", "job-3", []byte("{}"), nil); status != 422 || code != "unknown_type" {
		t.Fatalf("%d %s", status, code)
	}
	if n := len(log.kept()); n != 2 {
		t.Fatalf("%d records on the log", n)
	}
}

// While the line is down the answer is 202 and where to ask again; what is
// acknowledged later, or refused, is told there.
func TestDoorWithoutLine(t *testing.T) {
	t.Parallel()
	q, log := newTestQueue(t, nil), newLog()
	log.set(func() { log.down = errLine })
	d := openDoor(t, log, q, time.Millisecond)
	status, ans, _ := d.ask("POST", "/v1/sign", "job-1", unsigned(1), nil)
	if status != 202 || ans.Status != Pending || ans.Index != nil || ans.Ask != "/v1/sign/"+ans.LeafHash {
		t.Fatalf("%d %+v", status, ans)
	}
	count(t, q, 1, 0, 0) // on the disk before the answer
	log.set(func() { log.down = nil; log.refuses[ans.LeafHash] = "suspended" })
	d.until("refused", func() bool {
		status, now, code := d.ask("GET", ans.Ask, "", nil, nil)
		return status == 200 && now.Status == Refused && code == "suspended"
	})
	if status, _, code := d.ask("POST", "/v1/sign", "job-1", unsigned(1), nil); status != 422 || code != "suspended" {
		t.Fatalf("%d %s", status, code)
	}
	log.set(func() { clear(log.refuses) })
	if _, err := q.Flush(t.Context(), log, FlushOptions{Again: true}); fault.Code(err) != "outbox_busy" {
		must(t, err)
	}
	d.until("acknowledged", func() bool {
		if _, err := q.Flush(t.Context(), log, FlushOptions{Again: true}); fault.Code(err) != "outbox_busy" {
			must(t, err)
		}
		status, now, _ := d.ask("POST", "/v1/sign", "job-1", unsigned(1), nil)
		return status == 200 && now.Status == Acknowledged
	})
	if n := len(log.kept()); n != 1 {
		t.Fatalf("%d records on the log", n)
	}
}

// until polls until something is so.
func (d *testDoor) until(what string, ok func() bool) {
	d.t.Helper()
	for end := time.Now().Add(90 * time.Second); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			d.t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// Web pages in a browser on this machine, and programs that can't read the
// token, have nothing signed.
func TestDoorKeepsOthersOut(t *testing.T) {
	t.Parallel()
	q, log := newTestQueue(t, nil), newLog()
	d := openDoor(t, log, q, time.Millisecond)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(d.url, "http://"))
	for name, c := range map[string]struct {
		change func(*http.Request)
		status int
		code   string
	}{
		"no token":        {func(r *http.Request) { r.Header.Del("Authorization") }, 401, "unauthenticated"},
		"another token":   {func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+strings.Repeat("0", 64)) }, 401, "unauthenticated"},
		"rebound name":    {func(r *http.Request) { r.Host = "evil.example:" + port }, 403, "forbidden"},
		"no port":         {func(r *http.Request) { r.Host = "127.0.0.1" }, 403, "forbidden"},
		"another address": {func(r *http.Request) { r.Host = "192.0.2.1:" + port }, 403, "forbidden"},
		"a web page":      {func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403, "forbidden"},
		"a page's fetch":  {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "forbidden"},
		"a form":          {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 400, "request_form"},
		"a form's post":   {func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 400, "request_form"},
		"no key":          {func(r *http.Request) { r.Header.Del("Idempotency-Key") }, 422, "idempotency_key"},
		"an endless key":  {func(r *http.Request) { r.Header.Set("Idempotency-Key", strings.Repeat("k", 129)) }, 422, "idempotency_key"},
		"a preflight":     {func(r *http.Request) { r.Method = "OPTIONS"; r.Header.Set("Origin", "https://evil.example") }, 403, "forbidden"},
		"another path":    {func(r *http.Request) { r.URL.Path = "/v1/records" }, 404, "not_found"},
		"too much": {func(r *http.Request) {
			r.Body = io.NopCloser(bytes.NewReader(make([]byte, MaxUnsigned+1)))
			r.ContentLength = -1
		}, 413, "too_large"},
	} {
		if status, _, code := d.ask("POST", "/v1/sign", "job-1", unsigned(1), c.change); status != c.status || code != c.code {
			t.Errorf("%s: %d %s, want %d %s", name, status, code, c.status, c.code)
		}
	}
	count(t, q, 0, 0, 0)
	if status, _, _ := d.ask("POST", "/v1/sign", "job-1", unsigned(1), func(r *http.Request) { r.Host = "localhost:" + port }); status > 202 {
		t.Errorf("localhost: %d", status)
	}
	for _, address := range []string{"0.0.0.0:7480", ":7480", "192.0.2.1:7480", "localhost:7480", "[::]:7480", "127.0.0.1", "127.0.0.1:http", ""} {
		l, err := Listen(address)
		if err == nil {
			l.Close()
		}
		wantCode(t, err, "usage")
	}
}

// The token is made once, and is nobody else's to read.
func TestToken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sub", "workshop.token")
	token, err := ReadToken(path)
	must(t, err)
	again, err := ReadToken(path)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if token != again || len(token) != 64 || info.Mode().Perm() != 0o600 {
		t.Fatalf("%q, %q, %v", token, again, info.Mode())
	}
	must(t, os.Chmod(path, 0o644))
	_, err = ReadToken(path)
	wantCode(t, err, "workshop_token")
	must(t, os.Chmod(path, 0o600))
	must(t, os.WriteFile(path, []byte("guess"), 0o600))
	_, err = ReadToken(path)
	wantCode(t, err, "workshop_token")
}

// The power fails at every step of signing and queueing, and the workshop
// system asks again, as it does when it has no answer: each key is one record.
func TestCrashWhileSigning(t *testing.T) {
	t.Parallel()
	for step, crashes := 1, 0; ; step++ {
		ended := true
		for seed := range uint64(3) {
			d, log := newMemDisk(seed<<32|uint64(step)), newLog()
			q := newTestQueue(t, d)
			d.crashAt = d.steps + step
			answered := map[int]string{} // what a caller was told
			ask := func(q *Queue) {
				w := newWorkshop(t, WorkshopConfig{Queue: q, Log: log})
				for km := 1; km <= 3; km++ {
					h, err := w.take(fmt.Sprint("key:", km), unsigned(km))
					must(t, err)
					if was, ok := answered[km]; ok && was != h {
						t.Fatalf("step %d: told %s, now %s", step, was, h)
					}
					answered[km] = h
				}
				_, err := q.Flush(t.Context(), log, FlushOptions{})
				must(t, err)
			}
			if crashing(func() { ask(q) }) {
				ended = false
				crashes++
				d.restart()
				ask(newTestQueue(t, d))
			}
			if n := len(log.kept()); n != 3 {
				t.Fatalf("step %d, loss %d: %d records on the log, not 3", step, seed, n)
			}
			for km, h := range answered {
				if _, ok := log.index[h]; !ok {
					t.Fatalf("step %d, loss %d: the record of key %d is not on the log", step, seed, km)
				}
			}
		}
		if ended {
			if crashes < 60 {
				t.Fatalf("only %d crashes", crashes)
			}
			t.Logf("%d crashes", crashes)
			return
		}
	}
}
