package deployment

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// The two versions of the images. They have the same content: the tests need only that the image changes.
const (
	FirstVersion  = "test-1"
	SecondVersion = "test-2"
)

// BuildImages builds the images of a version and loads them into the cluster's nodes. programs are the programs to
// build; without any, all of the shop's are built.
func BuildImages(ctx context.Context, version string, programs ...string) error {
	args := append([]string{"run", ".", "-platforms=linux/" + runtime.GOARCH}, programs...)
	build := exec.CommandContext(ctx, "go", args...)
	build.Dir = filepath.Join("deploy", "images")
	build.Env = append(os.Environ(), "TAG="+version, "PREFIX=localhost/haberdash")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build images: %w\n%s", err, out)
	}
	load := strings.Fields(cmp.Or(os.Getenv("K8S_LOAD"), "kind load image-archive"))
	args = append(slices.Clone(load[1:]), filepath.Join(".run", "images", "images.tar"))
	if out, err := exec.CommandContext(ctx, load[0], args...).CombinedOutput(); err != nil {
		return fmt.Errorf("load images into the cluster (K8S_LOAD): %w\n%s", err, out)
	}
	return nil
}
