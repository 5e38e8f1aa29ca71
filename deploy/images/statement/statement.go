// Package statement describes images in standard documents: an SPDX bill of materials, which lists what an image
// contains, and SLSA provenance, which says what it was built from.
package statement

import (
	"runtime/debug"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Program is a program and its images, one for each platform.
type Program struct {
	Name     string
	Revision string    // the git commit, with the suffix -dirty if there were uncommitted changes; empty if unknown
	Created  time.Time // the creation time of the images
	Images   []Image
}

// Image is the image of a program for one platform.
type Image struct {
	Platform v1.Platform
	Digest   v1.Hash
	Info     *debug.BuildInfo // of the program
}
