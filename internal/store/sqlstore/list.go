package sqlstore

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// listSizes are the lengths of lists of keys in statements. There are few, so
// that few statements are prepared; what is missing is filled up with the last
// key.
var listSizes = []int{1, 8, 64}

// inLists calls work with lists of parameters, from the given number on, and
// their values.
func inLists[K ~int64](keys []K, from int, work func(list string, args []any) error) error {
	for len(keys) > 0 {
		n := min(len(keys), listSizes[len(listSizes)-1])
		size := listSizes[slices.IndexFunc(listSizes, func(size int) bool { return size >= n })]
		names, args := make([]string, size), make([]any, size)
		for i := range size {
			names[i], args[i] = fmt.Sprintf("$%d", from+i), int64(keys[min(i, n-1)])
		}
		if err := work(strings.Join(names, ", "), args); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
