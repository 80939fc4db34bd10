package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// folders is a flag that may be given more than once.
type folders []string

func (f *folders) String() string { return strings.Join(*f, " ") }

func (f *folders) Set(folder string) error {
	*f = append(*f, folder)
	return nil
}

// pushLayout stores every image of an OCI layout that pack made, and adds it to those that were pushed.
func pushLayout(host, root, folder string, pushed map[string]string) error {
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	if err := shareBlobs(folder, root); err != nil {
		return err
	}
	for _, descriptor := range manifest.Manifests {
		reference, err := pushFromLayout(host, index, descriptor)
		if err != nil {
			return err
		}
		pushed[descriptor.Annotations["dev.berth.lab.name"]] = reference
	}
	return nil
}

func pushFromLayout(host string, index v1.ImageIndex, descriptor v1.Descriptor) (string, error) {
	reference := fmt.Sprintf("%s/%s", host, descriptor.Annotations["org.opencontainers.image.ref.name"])
	tag, err := name.NewTag(reference, name.Insecure)
	if err != nil {
		return "", err
	}
	image, err := index.Image(descriptor.Digest)
	if err != nil {
		return "", err
	}
	if err := remote.Write(tag, image); err != nil {
		return "", fmt.Errorf("pushing %s: %w", reference, err)
	}
	return fmt.Sprintf("%s@%s", tag.Name(), descriptor.Digest), nil
}

// shareBlobs links a layout's blobs into the registry's own folder, which is laid out alike: what the registry has
// already is not uploaded, so that hundreds of megabytes cost a few milliseconds.
func shareBlobs(folder, root string) error {
	blobs := filepath.Join(folder, "blobs", "sha256")
	files, err := os.ReadDir(blobs)
	if err != nil {
		return err
	}
	to := filepath.Join(root, "sha256")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, file := range files {
		err := os.Link(filepath.Join(blobs, file.Name()), filepath.Join(to, file.Name()))
		// On another disk they are uploaded as any image is.
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil
		}
	}
	return nil
}
