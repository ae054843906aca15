package store

import (
	"errors"
	"io"

	"github.com/hashicorp/raft"
)

// ErrNoSnapshots is returned for what would take, read or send a snapshot:
// the ledger is never compacted, so nothing ever needs one.
var ErrNoSnapshots = errors.New("there are no snapshots: the ledger holds everything")

// Applied is where the tree stands: what a snapshot of it would be labelled
// with.
type Applied struct {
	Index, Term        uint64 // of the last ledger entry in the tree; Index 0 for none
	Configuration      raft.Configuration
	ConfigurationIndex uint64
}

// Snapshots tells Raft at its start which entries the tree already has, so
// that none is applied twice. Raft's NoSnapshotRestoreOnStart must be set,
// SnapshotThreshold and TrailingLogs be math.MaxUint64.
type Snapshots struct {
	Applied func() (Applied, error)
}

var _ raft.SnapshotStore = Snapshots{}

// List returns one synthetic snapshot, or none for an empty tree.
func (s Snapshots) List() ([]*raft.SnapshotMeta, error) {
	at, err := s.Applied()
	if err != nil || at.Index == 0 {
		return nil, err
	}
	return []*raft.SnapshotMeta{{
		Version:            raft.SnapshotVersionMax,
		ID:                 "tree",
		Index:              at.Index,
		Term:               at.Term,
		Configuration:      at.Configuration,
		ConfigurationIndex: at.ConfigurationIndex,
	}}, nil
}

// Create returns ErrNoSnapshots.
func (s Snapshots) Create(raft.SnapshotVersion, uint64, uint64, raft.Configuration, uint64, raft.Transport) (raft.SnapshotSink, error) {
	return nil, ErrNoSnapshots
}

// Open returns ErrNoSnapshots.
func (s Snapshots) Open(string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	return nil, nil, ErrNoSnapshots
}
