package verify_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/milepost-log/milepost/verify"
)

// first puts something behind the first brace of the file.
func first(s string) func(*world) []byte {
	return func(w *world) []byte { return append([]byte("{"+s), w.file(vinA).Bytes()[1:]...) }
}

func last(s string) func(*world) []byte {
	return func(w *world) []byte {
		return append(bytes.TrimSuffix(w.file(vinA).Bytes(), []byte("}\n")), s...)
	}
}

// The file itself: one JSON document in one form.
var formCheats = []cheat{
	{name: "a field twice", do: last(`,"tlog_proof":"c2sp.org/tlog-proof@v1\n"}` + "\n"), code: "proof_form < json_form", says: `field "tlog_proof" is out of order or there twice`},
	{name: "an unknown field", do: last(`,"zone":"UTC"}` + "\n"), code: "proof_form", says: "a field that does not belong there"},
	{name: "fields out of order", do: last(`,"a":1}` + "\n"), code: "proof_form < json_form", says: `field "a" is out of order or there twice`},
	{name: "an unknown field in an entry", do: replaced(`{"index":16,`, `{"author":"x","index":16,`), code: "proof_form", says: "a field that does not belong there"},
	{name: "an unknown field in a history", do: replaced(`,"subject":"governance"}`, `,"size":1,"subject":"governance"}`), code: "proof_form", says: "a field that does not belong there"},
	{name: "no format", do: replaced(`"format":"milepost/proof@v1",`, ``), code: "proof_form", says: `"" is not milepost/proof@v1`},
	{name: "another format", do: replaced(`"format":"milepost/proof@v1",`, `"format":"milepost/proof@v2",`), code: "proof_form", says: `"milepost/proof@v2" is not milepost/proof@v1`},
	{name: "a subject that is none", do: replaced(`"subject":"vehicle/`+vinA+`","tlog_proof"`, `"subject":"vehicle/1N4
X","tlog_proof"`), code: "proof_form < json_form", says: "character U+000A is not allowed"},
	{name: "a subject of two lines", do: replaced(`"subject":"vehicle/`+vinA+`","tlog_proof"`, `"subject":"vehicle/1N4\nX","tlog_proof"`), code: "proof_form", says: "subject: not a proof file: \"1N4\\nX\" is not a VIN"},
	{name: "no seal", do: doctored(func(w *world, f *verify.File) { f.Seal = nil }), code: "seal_form", says: "not a seal"},
	{name: "a subject that is no text", do: replaced(`"subject":"vehicle/`+vinA+`","tlog_proof"`, `"subject":17,"tlog_proof"`), code: "proof_form", says: "a field that does not belong there, or lacks one"},
	{name: "a note that is no text", do: func(w *world) []byte {
		b := w.file(vinA).Bytes()
		i := bytes.Index(b, []byte(`"index":16,"note":"`)) + len(`"index":16,"note":`)
		j := i + bytes.Index(b[i:], []byte(`","time"`)) + 1
		return append(append(bytes.Clone(b[:i]), "true"...), b[j:]...)
	}, code: "proof_form", says: "a field that does not belong there, or lacks one"},
	{name: "null", do: replaced(`"time":1777896000000}],"index_proof"`, `"time":null}],"index_proof"`), code: "proof_form < json_form", says: "null is not allowed"},
	{name: "an index with a fraction", do: replaced(`"index":16,`, `"index":16.0,`), code: "proof_form < json_form", says: "numbers are integers"},
	{name: "an index with an exponent", do: replaced(`"index":16,`, `"index":16e0,`), code: "proof_form < json_form", says: "numbers are integers"},
	{name: "an index with a leading zero", do: replaced(`"index":16,`, `"index":016,`), code: "proof_form < json_form", says: "not a canonical integer"},
	{name: "minus zero", do: replaced(`"index":0,`, `"index":-0,`), code: "proof_form < json_form", says: "not a canonical integer"},
	{name: "an index beyond 2^53", do: replaced(`"index":16,`, `"index":9007199254740992,`), code: "proof_form < json_form", says: "not a canonical integer"},
	{name: "a negative index", do: replaced(`"index":16,`, `"index":-16,`), code: "proof_form", says: "index and time are not negative"},
	{name: "a number in quotes", do: replaced(`"index":16,`, `"index":"16",`), code: "proof_form", says: "a field that does not belong there"},
	{name: "a space", do: replaced(`"index":16,`, `"index": 16,`), code: "proof_form < json_form", says: "no JSON value here"},
	{name: "a needless escape", do: replaced(`"format"`, `"f\u006frmat"`), code: "proof_form < json_form", says: "an escape that canonical JSON"},
	{name: "a byte before the file", do: func(w *world) []byte { return append([]byte("\ufeff"), w.file(vinA).Bytes()...) }, code: "proof_form < json_form", says: "no JSON value here"},
	{name: "a second document after the file", do: func(w *world) []byte { return append(w.file(vinA).Bytes(), w.file(vinA).Bytes()...) }, code: "proof_form < json_form", says: "bytes follow the value"},
	{name: "a newline too many", do: func(w *world) []byte { return append(w.file(vinA).Bytes(), '\n') }, code: "proof_form < json_form", says: "bytes follow the value"},
	{name: "no newline at the end", do: func(w *world) []byte { return bytes.TrimSuffix(w.file(vinA).Bytes(), []byte("\n")) }, code: "proof_form", says: "it does not end in a newline"},
	{name: "half the file", do: func(w *world) []byte { b := w.file(vinA).Bytes(); return append(b[:len(b)/2:len(b)/2], '\n') }, code: "proof_form < json_form", says: ""},
	{name: "an empty file", do: func(w *world) []byte { return nil }, code: "proof_form", says: "it does not end in a newline"},
	{name: "64 MiB and a byte", do: func(w *world) []byte {
		b := w.file(vinA).Bytes()
		return append(b, bytes.Repeat([]byte("\n"), 64<<20+1-len(b))...)
	}, code: "too_large", says: "at most 67108864 bytes"},
	{name: "nesting without end", do: func(w *world) []byte { return []byte(strings.Repeat(`{"a":`, 1<<20) + "\n") }, code: "proof_form < json_form", says: "nested too deeply"},
	{name: "a million empty lists", do: func(w *world) []byte { return []byte(`{"a":[` + strings.Repeat(`[],`, 1<<20) + "[]]}\n") }, code: "proof_form < json_form", says: "it holds too many values"},
	{name: "more histories than may be", do: doctored(func(w *world, f *verify.File) {
		f.Histories = nil
		for i := range verify.MaxHistories + 1 {
			f.Histories = append(f.Histories, verify.FileHistory{Subject: fmt.Sprintf("member/m%05d", i)})
		}
	}), code: "proof_form", says: "histories: not a proof file: at most 4096 are allowed"},
	{name: "more entries than may be", do: func(w *world) []byte {
		entries := strings.Repeat("{},", verify.MaxEntries) + "{}"
		return []byte(`{"format":"milepost/proof@v1","histories":[{"entries":[` + entries + `],"index_proof":""}]}` + "\n")
	}, code: "proof_form", says: "at most 131072 entries are allowed"},
	{name: "an entry with note and hash", do: replaced(`{"index":16,`, `{"index":16,"leaf_hash":"`+strings.Repeat("0", 64)+`",`), code: "proof_form", says: "a note or a leaf hash, exactly one of them"},
	{name: "an entry with neither note nor hash", do: replaced(`"entries":[{"index":0,`, `"entries":[{"index":0,"time":1},{"index":0,`), code: "proof_form", says: "a note or a leaf hash, exactly one of them"},
	{name: "a hash in capitals", do: func(w *world) []byte {
		f := w.file(vinA)
		e := at(w, car(f), "inspection")
		e.Note, e.Hash = nil, hash{0xab}
		return once(w, f.Bytes(), `"ab0`, `"AB0`)
	}, code: "proof_form", says: "a field that does not belong there"},
	{name: "a short hash", do: func(w *world) []byte {
		f := w.file(vinA)
		e := at(w, car(f), "inspection")
		e.Note, e.Hash = nil, hash{0xab}
		return once(w, f.Bytes(), `"ab00`, `"ab`)
	}, code: "proof_form", says: "not a hash of 64"},
	{name: "an index proof with loose bits", do: func(w *world) []byte {
		f := w.file(vinA)
		p := b64(car(f).IndexProof)
		return once(w, f.Bytes(), p, loose(p))
	}, code: "proof_form", says: "without loose bits"},
	{name: "an index proof without padding", do: func(w *world) []byte {
		f := w.file(vinA)
		p := b64(car(f).IndexProof)
		return once(w, f.Bytes(), p, strings.TrimRight(p, "="))
	}, code: "proof_form", says: "not base64 with padding"},
	{name: "a line break inside an index proof", do: func(w *world) []byte {
		f := w.file(vinA)
		p := b64(car(f).IndexProof)
		return once(w, f.Bytes(), p, p[:40]+`\n`+p[40:])
	}, code: "proof_form", says: "not base64 with padding"},
	{name: "text that runs backwards", do: replaced(`"format":"milepost/proof@v1"`, `"format":"milepost/`+"\u202e"+`proof@v1"`), code: "proof_form < json_form", says: "character U+202E is not allowed"},
	{name: "a byte that is no UTF-8", do: replaced(`"format":"milepost/proof@v1"`, `"format":"milepost/`+"\xff"+`proof@v1"`), code: "proof_form < json_form", says: "not valid UTF-8"},
	{name: "bridges that are none", do: first(`"bridges":[],`), code: "proof_form", says: "a field that does not belong there"},
	{name: "a seal with a seventh line", do: doctored(func(w *world, f *verify.File) { f.Seal = append(bytes.Clone(f.Seal), "more\n"...) }), code: "seal_form", says: "exactly six lines"},
	{name: "a seal with a leading zero", do: doctored(func(w *world, f *verify.File) { f.Seal = once(w, f.Seal, "\n17\n", "\n017\n") }), code: "seal_form", says: "its index is not a canonical decimal"},
	{name: "a seal time without milliseconds", do: doctored(func(w *world, f *verify.File) { f.Seal = once(w, f.Seal, "12:00:00.000Z", "12:00:00Z") }), code: "seal_form", says: "not a log time"},
}

// noteText changes the newest record's note, which then is no record.
func noteText(old, new string) func(*world) []byte {
	return doctored(func(w *world, f *verify.File) {
		e := at(w, car(f), "newest")
		e.Note = once(w, e.Note, old, new)
	})
}

// The records inside: notes of canonical JSON. All of these are told before
// any hash is computed, since a record that has two forms has two hashes.
var recordFormCheats = []cheat{
	{name: "a record with a field twice", do: noteText(`"unit":"KMT",`, `"unit":"KMT","unit":"SMI",`), code: "record < json_form", says: `field "unit" is out of order or there twice`},
	{name: "a record with an unknown field in its envelope", do: noteText(`{"author"`, `{"aside":1,"author"`), code: "record < field", says: "aside: there is no such field here"},
	{name: "a record with an unknown field in its body", do: noteText(`"unit":"KMT",`, `"tyres":4,"unit":"KMT",`), code: "record < field", says: "body.tyres: there is no such field here"},
	{name: "a record without a field", do: noteText(`"event_precision":"minute",`, ``), code: "record < field", says: "event_precision: this field is missing"},
	{name: "a record with a field of another kind", do: noteText(`"value":31450`, `"value":"31450"`), code: "record < field", says: "body.value: an integer is expected, not text"},
	{name: "a record with a mileage of 1e3", do: noteText(`"value":31450`, `"value":1e3`), code: "record < json_form", says: "numbers are integers"},
	{name: "a record with a mileage of 031450", do: noteText(`"value":31450`, `"value":031450`), code: "record < json_form", says: "not a canonical integer"},
	{name: "a record with a mileage beyond every odometer", do: noteText(`"value":31450`, `"value":2000000`), code: "record < field", says: "2000000 is not within 0 to 1999999"},
	{name: "a record with a time zone of +00:00", do: noteText(`"event_time":"2026-05-04T12:00:00Z"`, `"event_time":"2026-05-04T12:00:00+00:00"`), code: "record < field", says: "event_time:"},
	{name: "a record with a fraction of a second", do: noteText(`"captured_time":"2026-05-04T12:00:00Z"`, `"captured_time":"2026-05-04T12:00:00.0Z"`), code: "record < field", says: "captured_time:"},
	{name: "a record with a leap second", do: noteText(`"event_time":"2026-05-04T12:00:00Z"`, `"event_time":"2026-06-30T23:59:60Z"`), code: "record < field", says: "event_time:"},
	{name: "a record with a day that does not exist", do: noteText(`"event_time":"2026-05-04T12:00:00Z"`, `"event_time":"2026-02-29T12:00:00Z"`), code: "record < field", says: "event_time:"},
	{name: "a record captured in local time", do: noteText(`"captured_time":"2026-05-04T12:00:00Z"`, `"captured_time":"2026-05-04T14:00:00+02:00"`), code: "record < field", says: "captured_time:"},
	{name: "a record with characters that run backwards", do: doctored(func(w *world, f *verify.File) {
		// The proof file's own JSON refuses them before the record's does.
		e := at(w, car(f), "visit")
		e.Note = once(w, e.Note, `"A-1001"`, "\"A-1001\u2066\"")
	}), code: "proof_form < json_form", says: "character U+2066 is not allowed"},
	{name: "a record with a tab", do: noteText(`"unit":"KMT"`, "\"unit\":\"KMT\t\""), code: "proof_form < json_form", says: "character U+0009 is not allowed"},
	{name: "a record with bytes after its JSON", do: noteText("}\n\n— ", "} \n\n— "), code: "record < json_form", says: "bytes follow the value"},
	{name: "a record with a third line", do: noteText("}\n\n— ", "}\nmore\n\n— "), code: "record < record_form", says: "a record has two lines"},
	{name: "a record with another header", do: noteText("milepost/record@v1\n", "milepost/record@v2\n"), code: "record < record_form", says: "the first line is not milepost/record@v1"},
	{name: "a record with trailing bytes after its signature", do: doctored(func(w *world, f *verify.File) {
		e := at(w, car(f), "newest")
		e.Note = append(bytes.Clone(e.Note), "more\n"...)
	}), code: "record < note_form", says: "signature line 2 does not begin with an em dash"},
	{name: "a record with a signature of loose bits", do: doctored(func(w *world, f *verify.File) {
		e := at(w, car(f), "newest")
		line := strings.TrimSuffix(string(e.Note[bytes.LastIndexByte(e.Note, ' ')+1:]), "\n")
		e.Note = once(w, e.Note, line, loose(line))
	}), code: "record < note_form", says: "has bad base64"},
	{name: "a record without signature", do: doctored(func(w *world, f *verify.File) {
		e := at(w, car(f), "newest")
		e.Note = e.Note[:bytes.Index(e.Note, []byte("\n\n"))+2]
	}), code: "record < note_form", says: "it has no signature"},
	{name: "a record signed under another name", do: doctored(func(w *world, f *verify.File) {
		e := at(w, car(f), "newest")
		e.Note = w.signed(strings.SplitAfter(string(e.Note), "}\n")[0], w.workshop(maker))
	}), code: "record < author", says: "the record is by " + dealer + ", the signature by " + maker},
	{name: "a record with a second signature", do: doctored(func(w *world, f *verify.File) {
		e := at(w, car(f), "newest")
		e.Note = w.signed(strings.SplitAfter(string(e.Note), "}\n")[0], w.spare(dealer), w.workshop(maker))
	}), code: "record < signatures", says: "carries exactly one signature, this note has 2"},
	{name: "a record of 60,001 bytes", do: doctored(func(w *world, f *verify.File) {
		e := at(w, car(f), "newest")
		e.Note = append(bytes.Clone(e.Note), bytes.Repeat([]byte("\n"), 60_001-len(e.Note))...)
	}), code: "proof_form", says: "the note is longer than a record may be"},
	{name: "a record with an id of another version", do: doctored(func(w *world, f *verify.File) {
		e := at(w, car(f), "newest")
		i := bytes.Index(e.Note, []byte(`"id":"`)) + len(`"id":"`) + 14
		e.Note = append(append(bytes.Clone(e.Note[:i]), '4'), e.Note[i+1:]...)
	}), code: "record < field", says: "is not a UUIDv7 in lower case"},
	{name: "a record with two histories for one", do: noteText(`"subjects":["vehicle/`+vinA+`"]`, `"subjects":["vehicle/`+vinA+`","vehicle/`+vinB+`"]`), code: "record < field", says: "belongs to exactly: vehicle"},
	{name: "a record with its histories out of order", do: noteText(`"subjects":["vehicle/`+vinA+`"]`, `"subjects":["vehicle/`+vinB+`","vehicle/`+vinA+`"]`), code: "record < field", says: "they are not sorted, each once"},
	{name: "a seal in place of a record", do: doctored(func(w *world, f *verify.File) { at(w, car(f), "newest").Note = w.leaves[15] }), code: "record < note_form", says: "no blank line between text and signatures"},
}
