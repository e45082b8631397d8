package session

import "go.etcd.io/bbolt"

// DB lets tests look into the file of an open store.
func DB(s *Store) *bbolt.DB { return s.db }

// CheckTree lets tests check files of other programs.
var CheckTree = checkTree

// Migrate lets tests have steps of their own.
var Migrate = migrate
