package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"sync"

	blockstore "github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	"github.com/multiformats/go-multihash"
)

const maxBlobBytes = 2 << 20

var (
	template     []byte
	templateOnce sync.Once
)

// blobBytes makes the bytes of a test blob: the same for the same seed in every implementation, different for different
// seeds, and cheap: a common pseudo-random body with the seed in its first eight bytes.
func blobBytes(seed uint32, size int) []byte {
	templateOnce.Do(func() {
		template = make([]byte, maxBlobBytes)
		x := uint32(0x9e3779b9)
		for at := 0; at < len(template); at += 4 {
			x ^= x << 13
			x ^= x >> 17
			x ^= x << 5
			binary.LittleEndian.PutUint32(template[at:], x)
		}
	})
	out := make([]byte, size)
	copy(out, template)
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:], seed)
	copy(out, head[:])
	return out
}

func cidOf(digest []byte) (cid.Cid, error) {
	hash, err := multihash.Encode(digest, multihash.SHA2_256)
	if err != nil {
		return cid.Undef, err
	}
	return cid.NewCidV0(hash), nil
}

func parseCid(text string) (cid.Cid, error) {
	digest, err := hex.DecodeString(text)
	if err != nil {
		return cid.Undef, err
	}
	return cidOf(digest)
}

func digestOf(c cid.Cid) string {
	decoded, err := multihash.Decode(c.Hash())
	if err != nil {
		return ""
	}
	return hex.EncodeToString(decoded.Digest)
}

// memoryStore keeps the newest `keep` blocks; 0 keeps none, below 0 all. What was loaded from files stays in them.
type memoryStore struct {
	mu     sync.RWMutex
	keep   int
	blocks map[string]blocks.Block
	order  []string
	places map[string]place
}

var _ blockstore.Blockstore = (*memoryStore)(nil)

func newMemoryStore() *memoryStore {
	return &memoryStore{keep: -1, blocks: map[string]blocks.Block{}, places: map[string]place{}}
}

func (s *memoryStore) Put(_ context.Context, b blocks.Block) error {
	key := string(b.Cid().Hash())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keep == 0 {
		return nil
	}
	if _, ok := s.blocks[key]; ok {
		return nil
	}
	s.blocks[key] = b
	s.order = append(s.order, key)
	for s.keep > 0 && len(s.order) > s.keep {
		delete(s.blocks, s.order[0])
		s.order = s.order[1:]
	}
	return nil
}

func (s *memoryStore) PutMany(ctx context.Context, many []blocks.Block) error {
	for _, b := range many {
		if err := s.Put(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (s *memoryStore) Get(_ context.Context, c cid.Cid) (blocks.Block, error) {
	s.mu.RLock()
	b, ok := s.blocks[string(c.Hash())]
	s.mu.RUnlock()
	if ok {
		return b, nil
	}
	if at, ok := s.placeOf(c); ok {
		return at.read(c)
	}
	return nil, ipld.ErrNotFound{Cid: c}
}

func (s *memoryStore) GetSize(ctx context.Context, c cid.Cid) (int, error) {
	if at, ok := s.placeOf(c); ok {
		return at.length, nil
	}
	b, err := s.Get(ctx, c)
	if err != nil {
		return -1, err
	}
	return len(b.RawData()), nil
}

func (s *memoryStore) Has(_ context.Context, c cid.Cid) (bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.blocks[string(c.Hash())]
	_, filed := s.places[string(c.Hash())]
	return ok || filed, nil
}

func (s *memoryStore) DeleteBlock(context.Context, cid.Cid) error {
	return errors.New("nothing is deleted here")
}

func (s *memoryStore) AllKeysChan(context.Context) (<-chan cid.Cid, error) {
	return nil, errors.New("nothing is listed here")
}

func makeBlock(seed uint32, size int) (blocks.Block, error) {
	bytes := blobBytes(seed, size)
	digest := sha256.Sum256(bytes)
	c, err := cidOf(digest[:])
	if err != nil {
		return nil, err
	}
	return blocks.NewBlockWithCid(bytes, c)
}
