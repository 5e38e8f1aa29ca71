// Command images builds the container images without a container engine. Each image contains one small static program,
// for linux/amd64 and linux/arm64. The result is an OCI layout with an SPDX bill of materials for each image and SLSA
// provenance for each program. The same source gives the same digests.
//
//	go run . [-root DIR] [-out DIR] [-platforms LIST] [name…]
//
// Environment variables: TAG is the tag of the images (default dev), PREFIX precedes their names (default
// localhost/haberdash), PLATFORMS is the default of -platforms. PUSH=1 pushes the images to the registry that PREFIX
// names, with the credentials of docker login. For a node without a registry, images.tar contains the images for this
// machine's architecture: `ctr images import`, `kind load image-archive`, `docker load`.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func main() {
	o := options{
		tag:    cmp.Or(os.Getenv("TAG"), "dev"),
		prefix: cmp.Or(os.Getenv("PREFIX"), "localhost/haberdash"),
		push:   os.Getenv("PUSH") == "1",
	}
	flag.StringVar(&o.root, "root", filepath.Join("..", ".."), "the checkout of the repository")
	flag.StringVar(&o.out, "out", "", "directory for the OCI layout (default ROOT/.run/images)")
	platforms := flag.String("platforms", cmp.Or(os.Getenv("PLATFORMS"), "linux/amd64,linux/arm64"),
		"platforms to build for, separated by commas")
	flag.Parse()
	o.names = flag.Args()
	o.out = cmp.Or(o.out, filepath.Join(o.root, ".run", "images"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := o.parsePlatforms(*platforms)
	if err == nil {
		err = o.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

type options struct {
	root, out   string
	prefix, tag string
	names       []string // of the programs to build; all if empty
	platforms   []v1.Platform
	push        bool
}

func (o *options) parsePlatforms(list string) error {
	for _, p := range strings.Split(list, ",") {
		platform, err := v1.ParsePlatform(p)
		if err != nil || platform.OS != "linux" || platform.Architecture == "" {
			return fmt.Errorf("%q is not a platform such as linux/arm64", p)
		}
		o.platforms = append(o.platforms, *platform)
	}
	return nil
}

// reference returns the full name of a program's image.
func (o *options) reference(program string) (name.Tag, error) {
	return name.NewTag(o.prefix + "/" + program + ":" + o.tag)
}

func (o *options) run(ctx context.Context) error {
	programs, err := o.programs()
	if err != nil {
		return err
	}
	src, err := readSource(ctx, o.root)
	if err != nil {
		return err
	}
	w, err := newWriter(o)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "image\tplatform\tcompressed\tuncompressed\tdigest")
	for _, p := range programs {
		b := imageSet{program: p, source: src}
		for _, platform := range o.platforms {
			v, err := b.variant(ctx, o, platform)
			if err != nil {
				return fmt.Errorf("%s for %s: %w", p.name, platform, err)
			}
			b.variants = append(b.variants, v)
			fmt.Fprintf(table, "%s\t%s\t%.1f MB\t%.1f MB\t%s\n",
				p.name, platform, mb(v.compressed), mb(v.size), v.Digest)
		}
		if err := w.add(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return w.close()
}

func mb(n int64) float64 { return float64(n) / 1e6 }

// A program is built into one image for each platform.
type program struct {
	name              string
	module            string // folder of its module, relative to the root
	pkg               string
	title             string
	publicAuthorities bool // whether it needs the certificate authorities, to call public servers
	tags              string
	onRequest         bool // built only when it is named
}

// programs returns the programs to build. By default these are all apps, and the programs that deploy/ runs beside
// them.
func (o *options) programs() (list []program, err error) {
	mains, err := filepath.Glob(filepath.Join(o.root, "apps", "*", "main.go"))
	if err != nil {
		return nil, err
	}
	for _, m := range mains {
		app := filepath.Base(filepath.Dir(m))
		list = append(list, program{name: app, module: ".", pkg: "./apps/" + app, title: "Haberdash " + app,
			publicAuthorities: app == "orders"}) // orders calls Stripe
	}
	list = append(list,
		program{name: "secrets", module: ".", pkg: "./deploy/secrets", title: "Haberdash: makes the secrets of a shop"},
		program{name: "broker", module: filepath.Join("dapr", "local"), pkg: "./broker",
			title: "Haberdash: a small broker that speaks Kafka's protocol"},
		// For clusters whose sidecars lack components that the releases of Dapr have.
		program{name: "daprd", module: filepath.Join("dapr", "local"), pkg: "./daprd", tags: "stablecomponents",
			title: "Haberdash: a Dapr sidecar", onRequest: true},
	)
	if len(mains) == 0 {
		return nil, fmt.Errorf("%s is not the checkout: it has no apps/*/main.go", o.root)
	}
	if len(o.names) == 0 {
		return slices.DeleteFunc(list, func(p program) bool { return p.onRequest }), nil
	}
	var chosen []program
	for _, want := range o.names {
		found := false
		for _, p := range list {
			if p.name == want {
				found, chosen = true, append(chosen, p)
			}
		}
		if !found {
			return nil, errors.New("there is no program " + want)
		}
	}
	return chosen, nil
}

// localPlatform is the platform of the images in images.tar: Linux on this machine's architecture.
func localPlatform() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }
