package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/jcs"
)

// asker asks a person at a terminal for what is missing. A nil asker asks
// nothing: then what is missing is an error.
type asker struct {
	in  *bufio.Reader
	out io.Writer
}

// terminal returns who is to be asked: nil unless standard input is a terminal.
func terminal(c *cli.Context) *asker {
	if !isTerminal(c.App.Reader) {
		return nil
	}
	return &asker{bufio.NewReader(c.App.Reader), c.App.ErrWriter}
}

// line asks one question. The end of the input is io.ErrUnexpectedEOF.
func (a *asker) line(prompt string) (string, error) {
	fmt.Fprintf(a.out, "%s: ", prompt)
	s, err := a.in.ReadString('\n')
	s = strings.TrimSpace(s)
	if err == io.EOF && s == "" {
		return "", io.ErrUnexpectedEOF
	}
	if err == io.EOF {
		err = nil
	}
	return s, err
}

// flag returns what was given as a flag, or asks for it.
func (a *asker) flag(given, flag, question string) (string, error) {
	if given != "" {
		return given, nil
	}
	what, more, _ := strings.Cut(question, "? ")
	missing := fault.New("usage", flag, what+"?").WithHint("add " + flag + " VALUE. " + more)
	if a == nil {
		return "", missing
	}
	fmt.Fprintln(a.out, question)
	for {
		s, err := a.line(strings.TrimLeft(flag, "-"))
		if err != nil {
			return "", missing
		}
		if s != "" {
			return s, nil
		}
	}
}

// complete writes the draft, and asks for what its definition misses or
// refuses, field by field, until there is nothing left.
func (n *newDraft) complete(a *asker) (string, error) {
	for asked, offered := false, false; ; {
		text, err := n.text()
		switch {
		case err == nil && (!asked || offered):
			return text, nil
		case err == nil:
			offered = true
			if err := n.askMore(a); err != nil {
				return "", err
			}
			continue
		}
		p := locate(n.def, where(err))
		if a == nil || p == nil {
			return "", n.hinted(err)
		}
		if askErr := n.ask(a, p, err); errors.Is(askErr, io.ErrUnexpectedEOF) {
			return "", n.hinted(err)
		} else if askErr != nil {
			return "", askErr
		}
		asked = true
	}
}

// ask asks for one field, of which wrong says what is the matter.
func (n *newDraft) ask(a *asker, p *place, wrong error) error {
	if !strings.Contains(wrong.Error(), record.Missing) {
		fmt.Fprintf(a.out, "  %v\n", wrong)
		if h := fault.Hint(wrong); h != "" {
			fmt.Fprintf(a.out, "  %s\n", h)
		}
	}
	fmt.Fprintf(a.out, "%s: %s\n  %s\n", p.name(), p.field.Means, p.field.Words())
	parts := p.parts()
	switch {
	case parts.Kind != 0:
		fmt.Fprintln(a.out, "  as JSON, or Enter to be asked for it part by part")
	case p.field.Optional:
		fmt.Fprintln(a.out, "  Enter leaves it out")
	}
	for {
		s, err := a.line(p.name())
		if err != nil {
			return err
		}
		if done, err := n.other(s); done {
			return nil
		} else if err != nil {
			fmt.Fprintf(a.out, "  %v\n", err)
			continue
		}
		switch {
		case s == "" && parts.Kind != 0:
			n.draft.Body = p.set(n.draft.Body, parts)
			return nil
		case s == "" && p.field.Optional:
			n.draft.Body = p.set(n.draft.Body, jcs.Value{})
			return nil
		case s == "":
			continue
		}
		v, err := p.field.Value(s)
		if err == nil {
			n.draft.Body = p.set(n.draft.Body, v)
			return nil
		}
		fmt.Fprintf(a.out, "  %v\n", err)
	}
}

// other takes an answer of the form FIELD=VALUE, which sets another field of
// the body than the one that was asked for.
func (n *newDraft) other(s string) (bool, error) {
	name, text, ok := strings.Cut(s, "=")
	if !ok || n.def.Field(name) == nil {
		return false, nil
	}
	if text == "" {
		n.draft.Body = n.draft.Body.With(name, jcs.Value{})
		return true, nil
	}
	v, err := n.def.Value(name, text)
	if err == nil {
		n.draft.Body = n.draft.Body.With(name, v)
	}
	return err == nil, err
}

// askMore offers the fields that may be absent.
func (n *newDraft) askMore(a *asker) error {
	var open []string
	for _, f := range n.def.Body {
		if f.Optional && !n.draft.Body.Has(f.Name) {
			open = append(open, f.Name)
		}
	}
	if len(open) == 0 {
		return nil
	}
	fmt.Fprintf(a.out, "There may also be %s.\n  FIELD=VALUE sets one, Enter ends\n", strings.Join(open, ", "))
	for {
		s, err := a.line("more")
		if s == "" || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if done, err := n.other(s); !done {
			if err == nil {
				err = fmt.Errorf("%q sets no field: FIELD=VALUE is expected", s)
			}
			fmt.Fprintf(a.out, "  %v\n", err)
		}
	}
}

// where is the place that an error names.
func where(err error) string {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Where
	}
	return ""
}

// place is a field of a body, found by the place that an error names.
type place struct {
	path  []string // names, and numbers of list entries
	field record.Field
}

// locate finds the field that a place such as body.lines[0].pay is, or the
// nearest one around it; nil if it is not in the body.
func locate(def *record.Type, where string) *place {
	rest, ok := strings.CutPrefix(where, "body.")
	if !ok {
		return nil
	}
	var found *place
	var path []string
	kind := record.Kind(def.Body)
	for _, part := range strings.Split(strings.ReplaceAll(rest, "[", ".["), ".") {
		if number, is := strings.CutPrefix(part, "["); is {
			l, ok := kind.(record.List)
			if !ok {
				return found
			}
			path, kind = append(path, strings.TrimSuffix(number, "]")), l.Of
			continue
		}
		o, _ := kind.(record.Object)
		i := 0
		for i < len(o) && o[i].Name != part {
			i++
		}
		if i == len(o) {
			return found
		}
		path, kind = append(path, part), o[i].Kind
		found = &place{path: append([]string{}, path...), field: o[i]}
	}
	return found
}

// name is the place as errors write it, without the body around it.
func (p *place) name() string {
	s := ""
	for _, part := range p.path {
		switch _, err := strconv.Atoi(part); {
		case err == nil:
			s += "[" + part + "]"
		case s == "":
			s = part
		default:
			s += "." + part
		}
	}
	return s
}

// parts is what stands for a field that is asked for part by part: an object
// without fields, or a list of one; no value if the field has no parts.
func (p *place) parts() jcs.Value {
	switch k := p.field.Kind.(type) {
	case record.Object:
		return jcs.Make()
	case record.List:
		if _, ok := k.Of.(record.Object); ok && k.Min <= 1 {
			return jcs.Array(jcs.Make())
		}
	}
	return jcs.Value{}
}

func (p *place) set(v, to jcs.Value) jcs.Value { return setAt(v, p.path, to) }

func setAt(v jcs.Value, path []string, to jcs.Value) jcs.Value {
	if len(path) == 0 {
		return to
	}
	if i, err := strconv.Atoi(path[0]); err == nil {
		list := append([]jcs.Value{}, v.List...)
		list[i] = setAt(list[i], path[1:], to)
		return jcs.Array(list...)
	}
	return v.With(path[0], setAt(v.Get(path[0]), path[1:], to))
}
