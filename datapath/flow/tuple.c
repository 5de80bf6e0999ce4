#include "table_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MIN_BUCKETS = 4,
	FILL = 3,      // classes per bucket from which on it grows
	COPY_STEP = 4, // buckets copied with each change while it grows
	EXTRA = 16,    // further buckets in the first block
	N_EXTRA = 28,
	LONGEST = 6,	    // chain of rules with different masks
	LONGEST_ALIKE = 64, // and of one mask, where the first one is the answer
};

static void *lines_alloc(size_t size)
{
	void *p = aligned_alloc(64, (size + 63) / 64 * 64);

	if (p != NULL)
		memset(p, 0, size);
	return p;
}

static struct ft_array *array_create(uint64_t n_buckets)
{
	struct ft_array *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	// Not aligned_alloc: fresh pages are zero already, and touched when they are used.
	a->memory = calloc(1, (size_t)n_buckets * sizeof(struct ft_bucket) + 63);
	if (a->memory == NULL) {
		free(a);
		return NULL;
	}
	a->buckets = (struct ft_bucket *)(((uintptr_t)a->memory + 63) & ~(uintptr_t)63);
	a->last = n_buckets - 1;
	return a;
}

static void array_release(struct ft_array *a, void (*release)(void *arg, void *mem), void *arg)
{
	if (a == NULL)
		return;
	for (uint32_t i = 0; i < a->n_extra; i++)
		release(arg, a->extra[i]);
	release(arg, a->memory);
	release(arg, a);
}

static void free_now(void *arg, void *mem)
{
	(void)arg;
	free(mem);
}

// A bucket to hang behind a full one.
static struct ft_bucket *array_extra(struct ft_array *a)
{
	if (a->n_extra == 0 || a->n_in_block == (uint32_t)EXTRA << (a->n_extra - 1)) {
		struct ft_bucket *block;

		if (a->n_extra == N_EXTRA)
			return NULL;
		block = lines_alloc(((size_t)EXTRA << a->n_extra) * sizeof(*block));
		if (block == NULL)
			return NULL;
		a->extra[a->n_extra++] = block;
		a->n_in_block = 0;
	}
	return &a->extra[a->n_extra - 1][a->n_in_block++];
}

static bool same_class(const struct ft_tuple *t, const struct dp_flow_key *a,
		       const struct dp_flow_key *b)
{
	uint64_t differ = 0;

	for (uint32_t i = 0; i < t->n_words; i++)
		differ |= (a->w[t->idx[i]] ^ b->w[t->idx[i]]) & t->bits[i];
	return differ == 0;
}

// The slot of key's class. returns NULL = there is none
static _Atomic uint64_t *slot_find(const struct ft_tuple *t, struct ft_array *a, uint64_t hash,
				   const struct dp_flow_key *key)
{
	struct ft_bucket *b = &a->buckets[hash & a->last];

	for (; b != NULL; b = atomic_load_explicit(&b->more, memory_order_relaxed)) {
		for (uint32_t i = 0; i < FT_SLOTS; i++) {
			uint64_t slot = atomic_load_explicit(&b->slot[i], memory_order_relaxed);

			if (slot != 0 && slot >> 48 == hash >> 48 &&
			    same_class(t, &ft_slot_node(slot)->rule->key, key))
				return &b->slot[i];
		}
	}
	return NULL;
}

// A free slot where that hash is looked for. returns NULL = no memory
static _Atomic uint64_t *slot_free(struct ft_array *a, uint64_t hash)
{
	struct ft_bucket *b = &a->buckets[hash & a->last], *more;

	for (;;) {
		for (uint32_t i = 0; i < FT_SLOTS; i++) {
			if (atomic_load_explicit(&b->slot[i], memory_order_relaxed) == 0)
				return &b->slot[i];
		}
		more = atomic_load_explicit(&b->more, memory_order_relaxed);
		if (more == NULL)
			break;
		b = more;
	}
	more = array_extra(a);
	if (more == NULL)
		return NULL;
	atomic_store_explicit(&b->more, more, memory_order_release);
	return &more->slot[0];
}

struct ft_tuple *ft_tuple_create(const struct dp_flow_key *mask, uint64_t n_rules)
{
	uint64_t n_buckets = MIN_BUCKETS;
	struct ft_tuple *t = calloc(1, sizeof(*t));
	struct ft_array *a;

	while (n_buckets * FILL < n_rules)
		n_buckets *= 2;
	a = array_create(n_buckets);

	if (t == NULL || a == NULL) {
		free(t);
		array_release(a, free_now, NULL);
		return NULL;
	}
	t->mask = *mask;
	for (uint8_t i = 0; i < DP_FLOW_WORDS; i++) {
		if (mask->w[i] != 0) {
			t->idx[t->n_words] = i;
			t->bits[t->n_words++] = mask->w[i];
		}
	}
	atomic_store_explicit(&t->array, a, memory_order_relaxed);
	return t;
}

static void bucket_release(struct ft_bucket *b, void (*release)(void *arg, void *mem), void *arg)
{
	for (; b != NULL; b = atomic_load_explicit(&b->more, memory_order_relaxed)) {
		for (uint32_t s = 0; s < FT_SLOTS; s++) {
			struct ft_node *n = ft_slot_node(
				atomic_load_explicit(&b->slot[s], memory_order_relaxed));

			while (n != NULL) {
				struct ft_node *next =
					atomic_load_explicit(&n->next, memory_order_relaxed);

				release(arg, n);
				n = next;
			}
		}
	}
}

static void tuple_release(struct ft_tuple *t, void (*release)(void *arg, void *mem), void *arg)
{
	array_release(atomic_load_explicit(&t->array, memory_order_relaxed), release, arg);
	array_release(t->grown, release, arg);
	release(arg, t);
}

void ft_tuple_destroy(struct ft_tuple *t)
{
	struct ft_array *a;

	if (t == NULL)
		return;
	a = atomic_load_explicit(&t->array, memory_order_relaxed);
	for (uint64_t i = t->n_dead; i <= a->last; i++)
		bucket_release(&a->buckets[i], free_now, NULL);
	tuple_release(t, free_now, NULL);
}

bool ft_tuple_retire_some(struct dp_flow_table *ft, struct ft_tuple *t)
{
	struct ft_array *a = atomic_load_explicit(&t->array, memory_order_relaxed);

	for (uint32_t i = 0; i < COPY_STEP && t->n_dead <= a->last; i++)
		bucket_release(&a->buckets[t->n_dead++], ft->retire, ft->arg);
	if (t->n_dead <= a->last)
		return false;
	tuple_release(t, ft->retire, ft->arg);
	return true;
}

// Copy a few buckets into the array that is to replace this one; both lead to the same chains.
// Without memory it stays as it is.
static void grow_step(struct dp_flow_table *ft, struct ft_tuple *t)
{
	struct ft_array *a = atomic_load_explicit(&t->array, memory_order_relaxed);

	if (t->grown == NULL) {
		if (t->n_classes <= FILL * (a->last + 1))
			return;
		t->grown = array_create((a->last + 1) * 2);
		t->n_copied = 0;
	}
	for (uint32_t i = 0; t->grown != NULL && i < COPY_STEP; i++) {
		struct ft_bucket *b = &a->buckets[t->n_copied];

		for (; b != NULL; b = atomic_load_explicit(&b->more, memory_order_relaxed)) {
			for (uint32_t s = 0; s < FT_SLOTS; s++) {
				uint64_t slot =
					atomic_load_explicit(&b->slot[s], memory_order_relaxed);
				_Atomic uint64_t *to;

				if (slot == 0)
					continue;
				to = slot_free(t->grown,
					       ft_hash(t, &ft_slot_node(slot)->rule->key));
				if (to == NULL) {
					array_release(t->grown, free_now, NULL);
					t->grown = NULL;
					return;
				}
				atomic_store_explicit(to, slot, memory_order_relaxed);
			}
		}
		if (++t->n_copied > a->last) {
			atomic_store_explicit(&t->array, t->grown, memory_order_release);
			t->grown = NULL;
			array_release(a, ft->retire, ft->arg);
		}
	}
}

// The array that takes the place of the tuple's own, if that hash's bucket is in it by now.
static struct ft_array *copied(struct ft_tuple *t, uint64_t hash)
{
	struct ft_array *a = atomic_load_explicit(&t->array, memory_order_relaxed);

	return t->grown != NULL && (hash & a->last) < t->n_copied ? t->grown : NULL;
}

static bool is_mask_of(const struct ft_tuple *t, const struct dp_flow_rule *r)
{
	return memcmp(&t->mask, &r->mask, sizeof(t->mask)) == 0;
}

static struct ft_node *node_create(const struct ft_tuple *t, struct dp_flow_rule *r)
{
	bool is_exact = is_mask_of(t, r);
	uint32_t n = is_exact ? t->n_words : (uint32_t)__builtin_popcount(r->words), at = 0;
	struct ft_node *node = malloc(sizeof(*node) + (is_exact ? 8 : 16) * (size_t)n);

	if (node == NULL)
		return NULL;
	atomic_store_explicit(&node->next, NULL, memory_order_relaxed);
	node->rule = r;
	node->priority = r->priority;
	node->words = is_exact ? 0 : r->words;
	node->n = (uint16_t)n;
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++) {
		if ((r->words >> i & 1) == 0)
			continue;
		node->w[at++] = r->key.w[i];
		if (!is_exact)
			node->w[at++] = r->mask.w[i];
	}
	return node;
}

static uint32_t chain_length(const struct ft_node *n)
{
	uint32_t length = 0;

	for (; n != NULL; n = atomic_load_explicit(&n->next, memory_order_relaxed))
		length++;
	return length;
}

// Put a node into a chain, behind those of the same priority. returns true when it is the first now
static bool chain_insert(struct ft_node *head, struct ft_node *node)
{
	struct ft_node *before = NULL, *n = head;

	while (n != NULL && n->priority >= node->priority) {
		before = n;
		n = atomic_load_explicit(&n->next, memory_order_relaxed);
	}
	atomic_store_explicit(&node->next, n, memory_order_relaxed);
	if (before == NULL)
		return true;
	atomic_store_explicit(&before->next, node, memory_order_release);
	return false;
}

// A chain of its own. returns 0 or -ENOMEM
static int class_insert(struct ft_tuple *t, struct ft_array *a, struct ft_array *b,
			const struct ft_node *node, uint64_t hash)
{
	_Atomic uint64_t *slot = slot_free(a, hash), *other = b == NULL ? NULL : slot_free(b, hash);

	if (slot == NULL || (b != NULL && other == NULL))
		return -ENOMEM;
	atomic_store_explicit(slot, ft_slot_of(node, hash), memory_order_release);
	if (other != NULL)
		atomic_store_explicit(other, ft_slot_of(node, hash), memory_order_release);
	t->n_classes++;
	return 0;
}

int ft_tuple_insert(struct dp_flow_table *ft, struct ft_tuple *t, struct dp_flow_rule *r,
		    uint32_t set)
{
	uint64_t hash = ft_hash(t, &r->key);
	struct ft_array *a = atomic_load_explicit(&t->array, memory_order_relaxed);
	struct ft_array *b = copied(t, hash);
	_Atomic uint64_t *slot = slot_find(t, a, hash, &r->key), *other;
	struct ft_node *head =
		slot == NULL ? NULL
			     : ft_slot_node(atomic_load_explicit(slot, memory_order_relaxed));
	uint32_t length = chain_length(head);
	struct ft_node *node;

	if (length >= (is_mask_of(t, r) ? LONGEST_ALIKE : LONGEST))
		return -ENOSPC;
	node = node_create(t, r);
	if (node == NULL)
		return -ENOMEM;
	if (slot == NULL) {
		if (class_insert(t, a, b, node, hash) != 0) {
			free(node);
			return -ENOMEM;
		}
	} else if (chain_insert(head, node)) {
		// Found before the store: it is by the chain's first node that a slot is known.
		other = b == NULL ? NULL : slot_find(t, b, hash, &r->key);
		atomic_store_explicit(slot, ft_slot_of(node, hash), memory_order_release);
		if (other != NULL)
			atomic_store_explicit(other, ft_slot_of(node, hash), memory_order_release);
	}
	r->place[set] = (struct dp_flow_place){ t, node, hash };
	t->n_rules++;
	if (r->priority > t->max_priority || t->n_rules == 1) {
		t->max_priority = r->priority;
		ft->sets[set].is_stale = true;
	}
	grow_step(ft, t);
	return (int)length + 1;
}

void ft_tuple_remove(struct dp_flow_table *ft, struct dp_flow_rule *r, uint32_t set)
{
	struct dp_flow_place *place = &r->place[set];
	struct ft_tuple *t = place->owner;
	struct ft_node *node = place->node;
	struct ft_node *next = atomic_load_explicit(&node->next, memory_order_relaxed), *n;
	struct ft_array *a = atomic_load_explicit(&t->array, memory_order_relaxed);
	struct ft_array *b = copied(t, place->hash);
	_Atomic uint64_t *slot = slot_find(t, a, place->hash, &r->key);
	_Atomic uint64_t *other = b == NULL ? NULL : slot_find(t, b, place->hash, &r->key);

	n = ft_slot_node(atomic_load_explicit(slot, memory_order_relaxed));
	if (n == node) {
		uint64_t v = ft_slot_of(next, place->hash);

		atomic_store_explicit(slot, v, memory_order_release);
		if (other != NULL)
			atomic_store_explicit(other, v, memory_order_release);
		t->n_classes -= next == NULL;
	} else {
		struct ft_node *at;

		while ((at = atomic_load_explicit(&n->next, memory_order_relaxed)) != node)
			n = at;
		atomic_store_explicit(&n->next, next, memory_order_release);
	}
	t->n_rules--;
	*place = (struct dp_flow_place){ 0 };
	ft->retire(ft->arg, node);
	grow_step(ft, t);
}
