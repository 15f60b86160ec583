package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// The largest section that is read: a blob of Flow's, which has 1 MiB at most, with its CID.
const maxSectionBytes = 2 << 20

// place is where a blob's bytes lie in a CAR file.
type place struct {
	path   string
	offset int64
	length int
}

type loadIn struct {
	// Folder of `.car` files (version 1).
	Folder string `json:"folder"`
}

// load makes the blobs of CAR files known; their bytes stay in the files until they are asked for, as a node's do.
func (p *boxoPeer) load(in loadIn) (any, error) {
	paths, err := filepath.Glob(filepath.Join(in.Folder, "*.car"))
	if err != nil {
		return nil, err
	}
	count := 0
	for _, path := range paths {
		found, err := p.loadCar(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		count += found
	}
	return map[string]any{"blobs": count}, nil
}

func (p *boxoPeer) loadCar(path string) (int, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	in := bufio.NewReader(file)
	at := int64(0)
	for count := -1; ; count++ {
		length, err := binary.ReadUvarint(in)
		if errors.Is(err, io.EOF) {
			return max(count, 0), nil
		}
		if err != nil {
			return 0, err
		}
		if length > maxSectionBytes {
			return 0, fmt.Errorf("a section of %d bytes at %d", length, at)
		}
		at += int64(len(binary.AppendUvarint(nil, length)))
		section := make([]byte, length)
		if _, err := io.ReadFull(in, section); err != nil {
			return 0, err
		}
		// The first section is the header.
		if count >= 0 {
			head, c, err := cid.CidFromBytes(section)
			if err != nil {
				return 0, err
			}
			p.store.filed(string(c.Hash()), place{path, at + int64(head), int(length) - head})
		}
		at += int64(length)
	}
}

// filed makes known that a blob lies in a file.
func (s *memoryStore) filed(key string, at place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places[key] = at
}

func (s *memoryStore) placeOf(c cid.Cid) (place, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, ok := s.places[string(c.Hash())]
	return at, ok
}

func (at place) read(c cid.Cid) (blocks.Block, error) {
	file, err := os.Open(at.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	bytes := make([]byte, at.length)
	if _, err := file.ReadAt(bytes, at.offset); err != nil {
		return nil, err
	}
	return blocks.NewBlockWithCid(bytes, c)
}
