package plex

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	maxList  = 64 << 20 // bytes
	maxRows  = 20_000
	maxInRow = 1_000 // servers of a person, libraries of a share
)

var (
	errTooBig = errors.New("too big")
	errPart   = errors.New("not the whole list")
)

// list is a list of plex.tv's first API while it is read: rows in a MediaContainer, and what is in a row. Nothing holds all of it.
type list struct {
	*scanner
	row   string            // the name of the rows; elements of another name are passed over
	sized string            // the name of the elements whose number the head says; "" for row
	texts map[string]string // that many rows share
	bad   bool              // a value is not what its name says
}

// value is the text of an attribute, nil where there is none. It is valid until the next element.
func (l *list) value(name string) []byte {
	for _, a := range l.attrs {
		if string(a.name) == name {
			return a.value
		}
	}
	return nil
}

// text is an attribute to be kept, "" where it is too long to be.
func (l *list) text(name string) string { return short(string(l.value(name))) }

// shared is text for what many rows have alike: it is kept once.
func (l *list) shared(name string) string {
	v := l.value(name)
	s, ok := l.texts[string(v)]
	if !ok {
		s = short(string(v))
		l.texts[s] = s
	}
	return s
}

// number is a whole number, or otherwise where it is missing or empty.
func (l *list) number(name string, otherwise int64) int64 {
	v := strings.TrimSpace(string(l.value(name)))
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(v, 10, 64)
	l.bad = l.bad || err != nil
	return n
}

// flag is 1 or 0, or otherwise where it is missing or empty.
func (l *list) flag(name string, otherwise bool) bool {
	v := strings.TrimSpace(string(l.value(name)))
	if v == "" {
		return otherwise
	}
	b, err := strconv.ParseBool(v)
	l.bad = l.bad || err != nil
	return b
}

// read hands each row to each, and behind it each element that is in it. There must be as many as the head says: whoever is
// missing from half a list would count as removed.
func (l *list) read(each func(*list)) error {
	var size, total int64
	var rows, inRow, count int
	in := false
	for {
		err := l.next()
		switch {
		case err == io.EOF && (size < 0 && count == 0 || size > int64(count) || total > int64(count)):
			return errPart
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		switch l.depth {
		case 1:
			size, total = l.number("size", -1), l.number("totalSize", -1)
			l.bad = l.bad || string(l.name) != "MediaContainer"
		case 2:
			rows, inRow, in = rows+1, 0, string(l.name) == l.row
		case 3:
			inRow++
		}
		if in && (l.depth == 2 || l.depth == 3) {
			each(l)
		}
		if in && (l.depth == 2 && l.sized == "" || l.depth == 3 && string(l.name) == l.sized) {
			count++
		}
		switch {
		case l.bad:
			return errXML
		case rows > maxRows || inRow > maxInRow:
			return errTooBig
		}
	}
}

// ask reads the answer to a question for a list.
func (c *Client) ask(ctx context.Context, q question, l list, each func(*list)) error {
	q.method = http.MethodGet
	q.list = func(body io.Reader) error {
		l.scanner, l.texts = newScanner(body), map[string]string{}
		return l.read(each)
	}
	if err := c.do(ctx, q); err != nil {
		return err
	}
	return nil
}

// set is the titles sorted and without what is empty or there twice. Sets that are alike are kept once in sets, where that is not nil.
func set(sets map[string][]string, titles []string) []string {
	slices.Sort(titles)
	titles = slices.DeleteFunc(slices.Compact(titles), func(s string) bool { return s == "" })
	if sets == nil {
		return slices.Clone(titles)
	}
	key := strings.Join(titles, "\x00") // XML has no NUL
	s, ok := sets[key]
	if !ok {
		s = slices.Clone(titles)
		sets[key] = s
	}
	return s
}
