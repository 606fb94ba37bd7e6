import threading

from gateway_infra_keys.memory import Answer, Memory


def test_it_remembers_what_was_said_last():
    memory = Memory()
    assert memory.get("a") is None
    memory.put("a", Answer("one", 1.0))
    memory.put("a", Answer("two", 2.0))
    assert memory.get("a") == Answer("two", 2.0)
    memory.put("a", Answer(None, 3.0))
    assert memory.get("a") == Answer(None, 3.0)
    memory.put("a", Answer("back", 4.0))
    assert memory.get("a") == Answer("back", 4.0)
    assert len(memory) == 1


def test_the_oldest_answers_make_room():
    memory = Memory(3)
    for name in "abacd":
        memory.put(name, Answer(name, 0.0))
    assert [memory.get(name) is None for name in "abcd"] == [False, True, False, False]


def test_strangers_drive_nobody_out():
    memory = Memory(10)
    memory.put("known", Answer("known", 0.0))
    for number in range(1000):
        memory.put(str(number), Answer(None, 0.0))
    assert memory.get("known") == Answer("known", 0.0)
    assert len(memory) == 11


def test_threads_do_not_break_it():
    memory = Memory(50)

    def work(start):
        for number in range(2000):
            memory.put(str((start + number) % 97), Answer(number if number % 3 else None, 0.0))
            memory.get(str(number % 97))

    threads = [threading.Thread(target=work, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(memory) <= 100
