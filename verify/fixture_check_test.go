package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/verify"
)

// options are those of a careful buyer of the first car, an hour after the
// newest head.
func (w *world) options() verify.Options {
	p, err := verify.ParsePolicy([]byte(w.policy))
	w.must(err)
	return verify.Options{Policy: p, Now: time.UnixMilli(w.clock).Add(time.Hour), Subject: "vehicle/" + vinA}
}

// codes lists the codes in an error's chain, outermost first.
func codes(err error) string {
	var cs []string
	for err != nil {
		e, ok := err.(*fault.Error)
		if !ok {
			break
		}
		cs, err = append(cs, e.Code), e.Err
	}
	return strings.Join(cs, " < ")
}

// accepted demands that a file verifies.
func accepted(t testing.TB, file []byte, opt verify.Options) *verify.Report {
	t.Helper()
	r := verify.Verify(file, opt)
	if !r.Verified || r.Failure != nil {
		t.Fatalf("refused: %s: %v", codes(r.Failure), r.Failure)
	}
	return r
}

// refused demands that a file is refused for one reason and no other.
func refused(t testing.TB, file []byte, opt verify.Options, code, says string) *verify.Report {
	t.Helper()
	r := verify.Verify(file, opt)
	switch {
	case r.Verified || r.Failure == nil:
		t.Fatal("accepted")
	case codes(r.Failure) != code:
		t.Errorf("refused with %q, want %q: %v", codes(r.Failure), code, r.Failure)
	case !strings.Contains(r.Failure.Error(), says):
		t.Errorf("refused with the words %q, want %q", r.Failure, says)
	}
	return r
}
