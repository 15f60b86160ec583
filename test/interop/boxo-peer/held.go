package main

import (
	"crypto/sha256"
	"encoding/hex"
)

func (p *boxoPeer) held(in cidsIn) (any, error) {
	count := 0
	for _, text := range in.Cids {
		c, err := parseCid(text)
		if err != nil {
			return nil, err
		}
		if has, _ := p.store.Has(p.ctx, c); has {
			count++
		}
	}
	return map[string]any{"held": count}, nil
}

// sum hashes the stored bytes, one blob after the other.
func (p *boxoPeer) sum(in cidsIn) (any, error) {
	hash := sha256.New()
	for _, text := range in.Cids {
		c, err := parseCid(text)
		if err != nil {
			return nil, err
		}
		b, err := p.store.Get(p.ctx, c)
		if err != nil {
			return nil, err
		}
		hash.Write(b.RawData())
	}
	return map[string]any{"sha256": hex.EncodeToString(hash.Sum(nil))}, nil
}
