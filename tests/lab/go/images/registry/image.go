package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// A variant is one image: the same files with other environment variables, so that its digest is its own.
type variant struct {
	name, repository, tag string
	binary                string
	env                   []string
}

func variants(web, pause string) []variant {
	app := func(tag string, env ...string) variant {
		return variant{name: tag, repository: "acme/web", tag: tag, binary: web, env: append(env, "VERSION="+tag)}
	}
	return []variant{
		app("v1"), app("v2"), app("v3"), app("v4"),
		app("crash", "CRASH=1"),
		app("slow", "READY_AFTER_SECONDS=20"),
		{name: "pause", repository: "lab/pause", tag: "1", binary: pause},
	}
}

func (v variant) build() (v1.Image, error) {
	files, err := layer(v.binary)
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, files)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config = v1.Config{User: "10001:10001", Entrypoint: []string{"/app"}, Env: v.env, WorkingDir: "/"}
	return mutate.ConfigFile(image, file)
}

// layer holds /app and the few files that a static program may ask for; no times in it, so that its digest is stable.
func layer(binary string) (v1.Layer, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	files := []struct {
		name string
		mode int64
		body []byte
	}{
		{"app", 0o755, program},
		{"etc/passwd", 0o644, []byte("root:x:0:0::/:/\napp:x:10001:10001::/:/\n")},
		{"etc/nsswitch.conf", 0o644, []byte("hosts: files dns\n")},
	}
	var packed bytes.Buffer
	archive := tar.NewWriter(&packed)
	for _, file := range files {
		header := &tar.Header{Name: file.name, Mode: file.mode, Size: int64(len(file.body))}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(file.body); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(packed.Bytes())), nil
	})
}
