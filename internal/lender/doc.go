// Package lender keeps the images of partitions that a node lends out to backups: how many are open, for how long, who makes
// room for whom, and whether an image is recent enough. A backup of a partition is one of its snapshot files, read in pieces
// by somebody elsewhere; the file is kept open meanwhile: it may be pruned, its contents stay.
//
//	if lender.Stale(newest, applied) { write a snapshot }     // once a linearizable read may be executed
//	if err := desk.Reserve(lender.Most, now); err != nil { … } // before the file is made and opened
//	err = desk.Add(image, err, now)                            // in any case, with what has come of it
//	image := desk.Take(token)                                  // nil: let go
//	…                                                          // read image.File
//	desk.GiveBack(image, now)
//
// # Invariants
//
//  1. At most as many images as Reserve was told are open or about to be.
//  2. A file is closed once, and not while it is read.
//  3. After Close nothing is open, and nothing will be.
//  4. An image that is lent for a backup holds all that was applied when the backup of its partition was begun.
//
// It has no clock, goroutine or file of its own. Package node uses it, and the simulator as package node does.
package lender
