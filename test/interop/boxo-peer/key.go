package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"

	"github.com/libp2p/go-libp2p/core/crypto"
)

// newKey makes a staked node's P-256 key with its point, X then Y, or a key for strangers, whose point nobody asks for.
func newKey(plain bool) (crypto.PrivKey, []byte, error) {
	if plain {
		private, _, err := crypto.GenerateEd25519Key(rand.Reader)
		return private, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	private, _, err := crypto.ECDSAKeyPairFromKey(key)
	if err != nil {
		return nil, nil, err
	}
	ecdh, err := key.PublicKey.ECDH()
	if err != nil {
		return nil, nil, err
	}
	return private, ecdh.Bytes()[1:], nil
}
