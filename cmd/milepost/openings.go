package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// openingSuffix follows the name of an attachment or a draft in that of the
// file which holds its openings.
const openingSuffix = ".opening"

// readOpenings reads one file of openings.
func readOpenings(path string) ([]record.Opening, error) {
	data, err := readCapped(path, record.MaxOpeningsBytes)
	if err != nil {
		return nil, err
	}
	openings, err := record.ParseOpenings(data)
	if err != nil {
		return nil, fault.New(fault.Code(err), path, err.Error()).WithHint(fault.Hint(err))
	}
	return openings, nil
}

// addOpenings adds to a file of openings, or makes it. Those that are in it
// stay: without its opening a commitment never says anything again.
func addOpenings(path string, more ...record.Opening) error {
	have, err := readOpenings(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data, err := record.FormatOpenings(append(have, more...))
	if err != nil {
		return fault.New(fault.Code(err), path, err.Error()).WithHint(fault.Hint(err))
	}
	return writeFile(path, data, 0o600)
}

// readDraft reads the text of a record that is not signed yet.
func readDraft(path string) (*record.Record, error) {
	text, err := readCapped(path, record.MaxBytes)
	if err != nil {
		return nil, err
	}
	r, err := record.OpenDraft(string(text))
	if err != nil {
		hint := fault.Hint(err)
		if hint == "" {
			hint = "a draft comes from `milepost record new`"
		}
		return nil, fault.New(fault.Code(err), path, err.Error()).WithHint(hint)
	}
	return r, nil
}

// nameRecord names a record to a person.
func nameRecord(r *record.Record) string {
	return fmt.Sprintf("%s by %s of %s, id %s", r.Type, r.Author, r.EventTime.Format("2006-01-02"), r.ID)
}
