package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// bbolt keeps no checksum of its pages and follows what they say through a mapping
// of the file: a damaged one makes it panic, fault or walk in a circle, in places
// where no recover reaches, and a damaged free list makes it write over what is in
// use. So before it may follow anything, the tree is read here, with every bound
// checked. https://github.com/etcd-io/bbolt/tree/v1.5.0/internal/common has the form.

const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2
	pageHeader  = 16 // id 8, flags 2, count 2, overflow 4
	element     = 16 // branch: position 4, key size 4, page 8; leaf: flags 4, position 4, key size 4, value size 4
	branchPage  = 0x01
	leafPage    = 0x02
	freePage    = 0x10
	bucketLeaf  = 0x01
	manyFree    = 0xFFFF // in a free list's count: the count is the first id
)

// tree is a bbolt file while it is being checked.
type tree struct {
	file     io.ReaderAt
	pageSize uint64
	pages    uint64 // those from this one on are not in use
	used     map[uint64]bool
}

var native = binary.NativeEndian

// checkTree says what is wrong with the form of a bbolt file, if anything is.
func checkTree(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	meta, err := newestMeta(file, uint64(info.Size()))
	if err != nil {
		return err
	}
	t := &tree{file, uint64(native.Uint32(meta[8:])), native.Uint64(meta[40:]), map[uint64]bool{0: true, 1: true}}
	if t.pages > uint64(info.Size())/t.pageSize {
		return fmt.Errorf("it was cut short: %d pages of %d bytes do not fit into %d bytes", t.pages, t.pageSize, info.Size())
	}
	if err := t.walk(native.Uint64(meta[16:]), nil, nil); err != nil {
		return err
	}
	return t.free(native.Uint64(meta[32:]))
}

// newestMeta is the later of the two meta pages, which are written in turn. bbolt
// would make do with one, and so undo the last transaction: a sign-out, perhaps. Yet
// a write that is cut off does not harm one, for all of it lies within one sector.
func newestMeta(file io.ReaderAt, size uint64) ([]byte, error) {
	for pageSize := uint64(1 << 10); 2*pageSize <= size && pageSize <= 1<<24; pageSize <<= 1 {
		first, second := meta(file, 0, pageSize), meta(file, pageSize, pageSize)
		switch {
		case first == nil && second == nil:
			continue
		case first == nil || second == nil:
			return nil, errors.New("one of its two first pages is bad")
		case native.Uint64(first[48:]) > native.Uint64(second[48:]):
			return first, nil
		}
		return second, nil
	}
	return nil, errors.New("it is no bbolt file")
}

// meta reads the meta page at an offset; nil: it is none.
func meta(file io.ReaderAt, at, pageSize uint64) []byte {
	m := make([]byte, 64) // magic 4, version 4, page size 4, flags 4, root 16, free list 8, pages 8, transaction 8, sum 8
	if _, err := file.ReadAt(m, int64(at+pageHeader)); err != nil {
		return nil
	}
	sum := fnv.New64a()
	_, _ = sum.Write(m[:56])
	if native.Uint32(m) != boltMagic || native.Uint32(m[4:]) != boltVersion || uint64(native.Uint32(m[8:])) != pageSize || native.Uint64(m[56:]) != sum.Sum64() {
		return nil
	}
	return m
}

// page reads a page with those that continue it, each of which may be in use once.
func (t *tree) page(id uint64) ([]byte, error) {
	header := make([]byte, pageHeader)
	if id >= t.pages {
		return nil, fmt.Errorf("page %d is beyond the end", id)
	}
	if _, err := t.file.ReadAt(header, int64(id*t.pageSize)); err != nil {
		return nil, err
	}
	more := uint64(native.Uint32(header[12:]))
	if native.Uint64(header) != id || id+more >= t.pages {
		return nil, fmt.Errorf("page %d is not what it should be", id)
	}
	for i := id; i <= id+more; i++ {
		if t.used[i] {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		t.used[i] = true
	}
	p := make([]byte, (1+more)*t.pageSize)
	_, err := t.file.ReadAt(p, int64(id*t.pageSize))
	return p, err
}

// walk checks a page and all below it. Its first key is what its parent says, by
// which bbolt finds a page's neighbours when it joins two; all are below high. Either
// is nil where nothing is said. No page is visited twice, so it ends.
func (t *tree) walk(id uint64, first, high []byte) error {
	p, err := t.page(id)
	if err != nil {
		return err
	}
	if native.Uint16(p[8:]) == branchPage {
		if err := t.branch(p, first, high); err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
		return nil
	}
	if err := t.leaf(p, first, high); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func (t *tree) branch(p, first, high []byte) error {
	count := int(native.Uint16(p[10:]))
	if count == 0 || len(p) < pageHeader+count*element {
		return errors.New("a branch of no right size")
	}
	keys, children := make([][]byte, count), make([]uint64, count)
	for i := range count {
		at := pageHeader + i*element
		var err error
		if keys[i], err = part(p, at, native.Uint32(p[at:]), native.Uint32(p[at+4:])); err != nil {
			return err
		}
		children[i] = native.Uint64(p[at+8:])
	}
	if err := ordered(keys, first, high); err != nil {
		return err
	}
	for i, child := range children {
		next := high
		if i+1 < count {
			next = keys[i+1]
		}
		if err := t.walk(child, keys[i], next); err != nil {
			return err
		}
	}
	return nil
}

// leaf checks a leaf page, which may also lie within a value: a small bucket.
func (t *tree) leaf(p, first, high []byte) error {
	if len(p) < pageHeader || native.Uint16(p[8:]) != leafPage {
		return errors.New("neither a branch nor a leaf")
	}
	count := int(native.Uint16(p[10:]))
	if len(p) < pageHeader+count*element {
		return errors.New("a leaf of no right size")
	}
	keys := make([][]byte, count)
	for i := range count {
		at := pageHeader + i*element
		pos, size := native.Uint32(p[at+4:]), native.Uint32(p[at+8:])
		var err error
		if keys[i], err = part(p, at, pos, size); err != nil {
			return err
		}
		value, err := part(p, at, pos+size, native.Uint32(p[at+12:]))
		if err != nil {
			return err
		}
		if native.Uint32(p[at:])&bucketLeaf == 0 {
			continue
		}
		if len(value) < 16 { // root 8, sequence 8
			return errors.New("a bucket of no right size")
		}
		if root := native.Uint64(value); root != 0 {
			err = t.walk(root, nil, nil)
		} else {
			err = t.leaf(value[16:], nil, nil)
		}
		if err != nil {
			return fmt.Errorf("bucket %q: %w", keys[i], err)
		}
	}
	return ordered(keys, first, high)
}

// part is what an element at offset at of a page points to.
func part(p []byte, at int, pos, size uint32) ([]byte, error) {
	from := uint64(at) + uint64(pos)
	if to := from + uint64(size); to <= uint64(len(p)) {
		return p[from:to], nil
	}
	return nil, errors.New("an element beyond the page")
}

func ordered(keys [][]byte, first, high []byte) error {
	for i, k := range keys {
		switch {
		case len(k) == 0,
			i == 0 && first != nil && !bytes.Equal(k, first),
			i > 0 && bytes.Compare(k, keys[i-1]) <= 0,
			high != nil && bytes.Compare(k, high) >= 0:
			return errors.New("keys out of order")
		}
	}
	return nil
}

// free checks the free list: what it names will be written over.
func (t *tree) free(id uint64) error {
	p, err := t.page(id)
	if err != nil {
		return fmt.Errorf("free list: %w", err)
	}
	ids, count := p[pageHeader:], uint64(native.Uint16(p[10:]))
	if count == manyFree {
		count, ids = native.Uint64(ids), ids[8:]
	}
	if native.Uint16(p[8:]) != freePage || count > uint64(len(ids))/8 {
		return errors.New("no right free list")
	}
	for i := range count {
		page := native.Uint64(ids[8*i:])
		if page >= t.pages || t.used[page] {
			return fmt.Errorf("page %d is in use and on the free list", page)
		}
		t.used[page] = true
	}
	return nil
}
