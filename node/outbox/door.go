package outbox

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
)

// What one caller may cost.
const (
	maxCallers = 64
	maxToken   = 128 // characters of an Idempotency-Key
)

// Listen opens the endpoint's port, on loopback and nowhere else: whoever
// reaches it has records signed. Codes usage, listen.
func Listen(address string) (net.Listener, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() || at.Addr().Zone() != "" {
		return nil, fault.New("usage", "--workshop", fmt.Sprintf("%.60q is not an address of loopback", address)).
			WithHint("such as 127.0.0.1:7480: only programs on this machine may have records signed")
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fault.New("listen", address, "the endpoint's port cannot be opened").Because(err).WithHint("is another program running on it?")
	}
	return l, nil
}

// ReadToken reads the file of the secret that callers of the endpoint show,
// 64 hex digits, and makes it where there is none, with mode 0600. Code
// workshop_token: others can read the file, or it holds something else.
func ReadToken(path string) (string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		var secret [32]byte
		rand.Read(secret[:])
		if err := (osDisk{}).mkdir(filepath.Dir(path)); err != nil {
			return "", err
		}
		text := hex.EncodeToString(secret[:])
		return text, put(osDisk{}, path, []byte(text+"\n"))
	}
	if err != nil {
		return "", failed(path, err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return "", fault.New("workshop_token", path, fmt.Sprintf("others can read this secret: its mode is %04o", mode)).
			WithHint("chmod 600 it, or delete it: a new one is made")
	}
	data, err := (osDisk{}).read(path, 256)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(data))
	if raw, err := hex.DecodeString(text); err != nil || len(raw) != 32 {
		return "", fault.New("workshop_token", path, "it does not hold 64 hex digits").WithHint("delete it: a new one is made")
	}
	return text, nil
}

// serve answers at the endpoint until ctx ends.
func (w *Workshop) serve(ctx context.Context) error {
	s := &http.Server{
		Handler: w.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 2 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog: slog.NewLogLogger(w.cfg.Logger.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() {
		// Requests under way end with ctx: what they asked for is queued.
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		if s.Shutdown(late) != nil {
			s.Close()
		}
	})
	defer stop()
	if err := s.Serve(w.cfg.Listener); !errors.Is(err, http.ErrServerClosed) {
		return fault.New("listen", w.cfg.Listener.Addr().String(), "the endpoint for workshop systems has failed").Because(err)
	}
	return nil
}

func (w *Workshop) handler() http.Handler {
	mux := http.NewServeMux()
	room := make(chan struct{}, maxCallers)
	handle := func(pattern string, fn func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
			var err error
			select {
			case room <- struct{}{}:
				defer func() { <-room }()
				if err = w.admit(r); err == nil {
					r.Body = http.MaxBytesReader(rw, r.Body, MaxUnsigned)
					err = fn(rw, r)
				}
			default:
				err = fault.New("overloaded", "", "too many requests are waiting").WithHint("try again in a moment")
			}
			if err != nil {
				w.refuse(rw, err)
			}
		})
	}
	handle("POST /v1/sign", w.postSign)
	handle("GET /v1/sign/{hash}", w.getSign)
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		err := w.admit(r)
		if err == nil {
			err = fault.New("not_found", "", "there is nothing here of this name").WithHint("docs/api.md lists what there is")
		}
		w.refuse(rw, err)
	})
	return mux
}

// admit lets in programs on this machine that can read the token's file. A
// web page that a browser on this machine shows can reach the port too, also
// under a name of its own that leads to 127.0.0.1 (DNS rebinding): it has
// another Host, or an Origin, and never the token.
func (w *Workshop) admit(r *http.Request) error {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = r.Host, "80"
	}
	addr, err := netip.ParseAddr(host)
	_, own, _ := net.SplitHostPort(w.cfg.Listener.Addr().String())
	switch {
	case port != own || host != "localhost" && (err != nil || !addr.IsLoopback()):
		return fault.New("forbidden", "Host", "this endpoint answers under its address of loopback only")
	case r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "":
		return fault.New("forbidden", "Origin", "web pages may not have records signed")
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(w.cfg.Token)) != 1 {
		return fault.New("unauthenticated", "Authorization", "this needs the token of this node").WithHint("Authorization: Bearer and the text of the token's file: docs/outbox.md")
	}
	return nil
}

// Answer is what the endpoint says of a record.
type Answer struct {
	Status   string  `json:"status"` // pending, acknowledged or refused
	LeafHash string  `json:"leaf_hash"`
	Index    *uint64 `json:"index,omitempty"`   // on the log
	Receipt  string  `json:"receipt,omitempty"` // a C2SP tlog-proof; it may be missing for a moment
	Ask      string  `json:"ask,omitempty"`     // where to ask again, if pending
	*node.ErrorBody
}

// postSign signs and queues a record, and waits for the log for a moment.
func (w *Workshop) postSign(rw http.ResponseWriter, r *http.Request) error {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return fault.New("request_form", "Content-Type", "application/json is expected")
	}
	token := r.Header.Get("Idempotency-Key")
	if token == "" || len(token) > maxToken || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return fault.New("idempotency_key", "Idempotency-Key", fmt.Sprintf("a key of 1 to %d visible ASCII characters is expected", maxToken)).
			WithHint("one for each record, such as the job's number: asked again with the same key, the node signs nothing twice")
	}
	data, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fault.New("too_large", "", fmt.Sprintf("the body is larger than %d bytes", MaxUnsigned))
	case err != nil:
		return fault.New("body", "", "the body could not be read").Because(err)
	}
	hash, err := w.take("key:"+token, data)
	if err != nil {
		return err
	}
	it, err := w.await(r.Context(), hash)
	if err != nil {
		return err
	}
	ans := w.answer(r.Context(), it)
	status := http.StatusOK
	switch it.State {
	case Pending:
		status = http.StatusAccepted
		rw.Header().Set("Location", ans.Ask)
	case Refused:
		status = node.HTTPStatus(it.Error.Code)
	}
	writeJSON(rw, status, ans)
	return nil
}

// await waits until a record has its answer, or for as long as a caller may
// wait.
func (w *Workshop) await(ctx context.Context, hash string) (Item, error) {
	late := time.After(w.cfg.Wait)
	for {
		answers := w.answers()
		it, err := w.cfg.Queue.Find(hash)
		if err != nil || it.State != Pending {
			return it, err
		}
		select {
		case <-answers:
		case <-late:
			return it, nil
		case <-ctx.Done():
			return it, nil
		}
	}
}

// getSign says what became of a record.
func (w *Workshop) getSign(rw http.ResponseWriter, r *http.Request) error {
	it, err := w.cfg.Queue.Find(r.PathValue("hash"))
	if err == nil {
		writeJSON(rw, http.StatusOK, w.answer(r.Context(), it))
	}
	return err
}

func (w *Workshop) answer(ctx context.Context, it Item) Answer {
	a := Answer{Status: it.State, LeafHash: it.LeafHash, Index: it.Index, ErrorBody: it.Error}
	switch it.State {
	case Pending:
		a.Ask = "/v1/sign/" + it.LeafHash
	case Acknowledged:
		if text, err := w.cfg.Log.Receipt(ctx, it.LeafHash); err == nil {
			a.Receipt = string(text)
		}
	}
	return a
}

// refuse writes an error. One that says nothing about the record is the
// node's trouble, and the same may be asked again.
func (w *Workshop) refuse(rw http.ResponseWriter, err error) {
	var e *fault.Error
	code := fault.Code(err)
	status := node.HTTPStatus(code)
	body := node.ErrorBody{Code: code, Error: err.Error(), Hint: fault.Hint(err)}
	switch {
	case !errors.As(err, &e) || code == "internal":
		w.cfg.Logger.Error("a request of a workshop system failed", "err", err)
		status, body = http.StatusInternalServerError, node.ErrorBody{Code: "internal", Error: "an error inside the node; its log says more"}
	case keyTrouble[code]:
		w.cfg.Logger.Error("the record key cannot be used", "err", err)
		status = http.StatusServiceUnavailable
	}
	if status == http.StatusServiceUnavailable {
		rw.Header().Set("Retry-After", strconv.Itoa(1))
	}
	writeJSON(rw, status, body)
}

// keyTrouble are codes of this machine's own trouble, not of what was asked.
var keyTrouble = map[string]bool{
	"key_file": true, "key_file_open": true, "key_passphrase": true, "key_use": true, "file": true, "outbox_damaged": true,
}

func writeJSON(rw http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"code":"internal","error":"the answer could not be written"}`)
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(status)
	rw.Write(append(data, '\n'))
}
