package log

import (
	"errors"
	"fmt"

	"github.com/milepost-log/milepost/certs/fault"
)

// Errors that a caller tells apart. Everything else is bad input of a caller
// (a *fault.Error) or an I/O error, wrapped.
var (
	// ErrBroken says that a commit failed, so that what is on the disk is no
	// longer known. The process is expected to end; opening the file again
	// shows the state of the last commit that went through.
	ErrBroken = errors.New("the log is broken: a commit failed")
	// ErrBusy says that a transaction or a view is still open.
	ErrBusy = errors.New("the log is in use")
	// ErrClosed says that the log, the transaction or the view has ended.
	ErrClosed = errors.New("closed")
	// ErrUnsealed refuses to commit records that no seal covers.
	ErrUnsealed = errors.New("records were added after the last seal")
)

// corrupt says that tree.db contradicts itself or the ledger.
func corrupt(format string, args ...any) *fault.Error {
	return fault.New("tree_corrupt", "tree.db", fmt.Sprintf(format, args...)).
		WithHint("set the file aside and rebuild it from the ledger: milepost node rebuild")
}

// outside says that something lies beyond the tree.
func outside(where string, size uint64) error {
	return fault.New("not_in_tree", where, fmt.Sprintf("lies beyond the tree of size %d", size))
}

// misused says that the caller broke a rule of this package.
func misused(format string, args ...any) error {
	return fault.New("log_misused", "", fmt.Sprintf(format, args...))
}
