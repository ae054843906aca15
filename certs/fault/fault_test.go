package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestErrors(t *testing.T) {
	t.Parallel()
	inner := New("inner", "line 3", "a number is expected").WithHint("write a number")
	outer := New("outer", "", "the file is refused").Because(inner)
	wrapped := fmt.Errorf("while reading: %w", outer)
	for _, c := range []struct {
		err              error
		code, hint, says string
	}{
		{inner, "inner", "write a number", "line 3: a number is expected"},
		{outer, "outer", "write a number", "the file is refused: line 3: a number is expected"},
		{wrapped, "outer", "write a number", "while reading: the file is refused: line 3: a number is expected"},
		{io.EOF, "internal", "", "EOF"},
		{New("plain", "", "what").Because(io.EOF), "plain", "", "what: EOF"},
		{New("own", "", "what").WithHint("first").Because(inner), "own", "first", "what: line 3: a number is expected"},
	} {
		if Code(c.err) != c.code || Hint(c.err) != c.hint || c.err.Error() != c.says {
			t.Errorf("%s, %q, %q; want %s, %q, %q", Code(c.err), Hint(c.err), c.err, c.code, c.hint, c.says)
		}
	}
	if !errors.Is(New("plain", "", "what").Because(io.EOF), io.EOF) {
		t.Error("the cause is lost")
	}
	if Code(nil) != "internal" || Hint(nil) != "" {
		t.Error("no error has a code or a hint of its own")
	}
}
