// Command pack makes images without a container engine: it reads on stdin what goes into which layer, as JSON, and
// writes an OCI layout with every image in it. The same files make the same digests, whenever and wherever.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// A spec is one layout: images that differ in nothing but their configuration share its layers.
type spec struct {
	Layers [][]entry `json:"layers"`
	Images []image   `json:"images"`
}

type image struct {
	Name       string   `json:"name"`
	Reference  string   `json:"reference"`
	Entrypoint []string `json:"entrypoint"`
	Cmd        []string `json:"cmd"`
	Env        []string `json:"env"`
	WorkingDir string   `json:"working_dir"`
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: pack FOLDER < SPEC")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatalf("pack: %v", err)
	}
}

func run(folder string) error {
	var wanted spec
	if err := json.NewDecoder(os.Stdin).Decode(&wanted); err != nil {
		return err
	}
	// Beside the layout, so that a layer is written to a disk with room for it.
	scratch, err := os.MkdirTemp(folder, "layers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	var layers []v1.Layer
	for number, entries := range wanted.Layers {
		archive := fmt.Sprintf("%s/%d.tar.gz", scratch, number)
		if err := writeLayer(archive, entries); err != nil {
			return fmt.Errorf("layer %d: %w", number, err)
		}
		layer, err := tarball.LayerFromFile(archive)
		if err != nil {
			return err
		}
		layers = append(layers, layer)
	}
	to, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	for _, image := range wanted.Images {
		if err := image.append(to, layers); err != nil {
			return fmt.Errorf("image %s: %w", image.Name, err)
		}
	}
	return nil
}

// append names the image in the layout's index, where the registry looks for what it is to serve.
func (i image) append(to layout.Path, layers []v1.Layer) error {
	built, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return err
	}
	file, err := built.ConfigFile()
	if err != nil {
		return err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config = v1.Config{
		User: "10001:10001", Entrypoint: i.Entrypoint, Cmd: i.Cmd, Env: i.Env, WorkingDir: i.WorkingDir,
	}
	if built, err = mutate.ConfigFile(built, file); err != nil {
		return err
	}
	return to.AppendImage(built, layout.WithAnnotations(map[string]string{
		"dev.berth.lab.name":                i.Name,
		"org.opencontainers.image.ref.name": i.Reference,
	}))
}
