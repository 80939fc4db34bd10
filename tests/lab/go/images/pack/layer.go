package main

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// An entry is a file or folder of this machine, or a small thing made here: a text, a link, an empty folder.
type entry struct {
	To   string `json:"to"`
	From string `json:"from"`
	Text string `json:"text"`
	Link string `json:"link"`
	Mode int64  `json:"mode"`
}

// writeLayer packs without times and owners: neither is anything that an image should depend on.
func writeLayer(file string, entries []entry) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	// Half the time of the default, for a twentieth more bytes.
	packed, err := gzip.NewWriterLevel(out, 4)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(packed)
	for _, entry := range entries {
		if err := entry.write(archive); err != nil {
			return fmt.Errorf("%s: %w", entry.To, err)
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return out.Close()
}

func (e entry) write(archive *tar.Writer) error {
	name := strings.TrimPrefix(e.To, "/")
	switch {
	case e.From != "":
		return e.writeTree(archive, name)
	case e.Link != "":
		return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: e.Link, Mode: 0o777})
	case strings.HasSuffix(name, "/"):
		return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: e.Mode})
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: e.Mode, Size: int64(len(e.Text))}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.WriteString(archive, e.Text)
	return err
}

// writeTree walks in the order of names, and does not follow links.
func (e entry) writeTree(archive *tar.Writer, name string) error {
	return filepath.WalkDir(e.From, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(e.From, file)
		if err != nil {
			return err
		}
		info, err := os.Lstat(file)
		if err != nil {
			return err
		}
		if to := path.Join(name, filepath.ToSlash(below)); to != "." {
			return e.writeFile(archive, file, to, info)
		}
		return nil
	})
}

func (e entry) writeFile(archive *tar.Writer, file, to string, info fs.FileInfo) error {
	header := &tar.Header{Name: to, Mode: int64(info.Mode().Perm())}
	if info.Mode()&fs.ModeSticky != 0 {
		header.Mode |= 0o1000
	}
	switch {
	case info.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, to+"/"
		return archive.WriteHeader(header)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(file)
		if err != nil {
			return err
		}
		header.Typeflag, header.Linkname = tar.TypeSymlink, target
		return archive.WriteHeader(header)
	case !info.Mode().IsRegular():
		// Devices and sockets: what needs them gets them from the container's runtime.
		return nil
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	if e.Mode != 0 {
		header.Mode = e.Mode
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	content, err := os.Open(file)
	if err != nil {
		return err
	}
	defer content.Close()
	_, err = io.Copy(archive, content)
	return err
}
