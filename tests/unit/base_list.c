/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/list.h"

#include "unit.h"

typedef struct Item {
        int number;
        TqList link;
} Item;

static int sum_in_order(const TqList *head) {
        int v = 0;

        TQ_LIST_FOREACH(node, head)
        v = v * 10 + TQ_LIST_ENTRY(node, Item, link)->number;
        return v;
}

START_TEST(order) {
        Item items[4] = { { .number = 1 }, { .number = 2 }, { .number = 3 }, { .number = 4 } };
        TqList head;

        tq_list_init(&head);
        ck_assert(tq_list_is_empty(&head));
        ck_assert_ptr_null(tq_list_first(&head));
        for (size_t i = 0; i < 4; i++)
                tq_list_append(&head, &items[i].link);
        ck_assert(!tq_list_is_empty(&head));
        ck_assert_int_eq(sum_in_order(&head), 1234);
        ck_assert_ptr_eq(tq_list_first(&head), &items[0].link);
        tq_list_unlink(&items[1].link);
        ck_assert_int_eq(sum_in_order(&head), 134);
        tq_list_unlink(&items[1].link); /* twice is harmless */
        ck_assert(tq_list_is_empty(&items[1].link));
        tq_list_append(&head, &items[1].link);
        ck_assert_int_eq(sum_in_order(&head), 1342);
        tq_list_unlink(&items[0].link);
        tq_list_unlink(&items[1].link);
        ck_assert_int_eq(sum_in_order(&head), 34);
        tq_list_unlink(&items[2].link);
        tq_list_unlink(&items[3].link);
        ck_assert(tq_list_is_empty(&head));
        ck_assert_int_eq(sum_in_order(&head), 0);
}
END_TEST

START_TEST(unlink_while_walking) {
        Item items[5] = {};
        TqList head;
        int visits = 0;

        tq_list_init(&head);
        for (int i = 0; i < 5; i++) {
                items[i].number = i + 1;
                tq_list_append(&head, &items[i].link);
        }
        TQ_LIST_FOREACH(node, &head) {
                visits++;
                if (TQ_LIST_ENTRY(node, Item, link)->number % 2)
                        tq_list_unlink(node);
        }
        ck_assert_int_eq(visits, 5);
        ck_assert_int_eq(sum_in_order(&head), 24);
}
END_TEST

static void fill(Suite *s) {
        TCase *tcase = unit_case(s, "list");

        tcase_add_test(tcase, order);
        tcase_add_test(tcase, unlink_while_walking);
}

int main(void) {
        return unit_main("base/list", fill);
}
