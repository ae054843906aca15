// Package fault holds the one error type that a person or a program sees:
// a stable code, the place, what is wrong, and what to do about it.
package fault

import "errors"

// Error is a refusal of bad input. It is returned, never logged and returned.
type Error struct {
	Code  string // stable, lower case with underscores; documented in docs/errors.md
	Where string // the file, line, field or flag; may be empty
	What  string // one sentence without a full stop
	Hint  string // what to do; may be empty
	Err   error  // the cause, if any
}

// New returns a refusal with the given code, place and sentence.
func New(code, where, what string) *Error {
	return &Error{Code: code, Where: where, What: what}
}

// WithHint returns e with the hint set.
func (e *Error) WithHint(hint string) *Error { e.Hint = hint; return e }

// Because returns e with its cause set.
func (e *Error) Because(err error) *Error { e.Err = err; return e }

func (e *Error) Error() string {
	s := e.What
	if e.Where != "" {
		s = e.Where + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Code returns the code of the outermost Error in err's chain, or "internal".
func Code(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return "internal"
}

// Hint returns the first hint in err's chain.
func Hint(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
