-- First response by inbox
-- Minutes from the contact's first message to the first answer of a person after it. Every
-- thread in which the contact has written counts once, also if you wrote first, and whether or
-- not it was reopened later. An answer is an outgoing MESSAGE by an agent (A-): bots (B-), AI
-- agents (L-), applications (I-), welcome messages and comments are none, and INCOMING mail of a
-- colleague (A-) is neither a question nor an answer. Threads that are archived, spam or not in
-- `threads` are left out.
WITH questions AS (
    -- The contact's first message in each thread.
    SELECT
        threads.id AS thread,
        threads."inboxId" AS inbox_id,
        MIN(messages."createdAt") AS asked
    FROM threads
    JOIN messages ON messages."conversationsThreadId" = threads.id
    WHERE threads.archived IS NOT TRUE
        AND threads.spam IS NOT TRUE
        AND messages.type = 'MESSAGE'
        AND messages.direction = 'INCOMING'
        AND LEFT(COALESCE(messages."createdBy", ''), 2) NOT IN ('A-', 'B-', 'L-')
    GROUP BY threads.id, threads."inboxId"
),
responses AS (
    -- The first answer of a person after that, or null.
    SELECT
        questions.thread,
        questions.inbox_id,
        questions.asked,
        MIN(answers."createdAt") AS answered
    FROM questions
    LEFT JOIN messages AS answers
        ON answers."conversationsThreadId" = questions.thread
        AND answers.type = 'MESSAGE'
        AND answers.direction = 'OUTGOING'
        AND answers."createdBy" LIKE 'A-%'
        AND answers."createdAt" > questions.asked
    GROUP BY questions.thread, questions.inbox_id, questions.asked
),
waits AS (
    -- The epoch is the same with and without a time zone, and in every session.
    SELECT
        inbox_id,
        (EXTRACT(EPOCH FROM answered) - EXTRACT(EPOCH FROM asked)) / 60 AS minutes
    FROM responses
)
SELECT
    COALESCE(inboxes.name, waits.inbox_id, 'unknown') AS inbox,
    COUNT(*) AS threads,
    COUNT(*) - COUNT(waits.minutes) AS unanswered,
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY waits.minutes) AS median_minutes,
    PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY waits.minutes) AS p90_minutes
FROM waits
LEFT JOIN inboxes ON inboxes.id = waits.inbox_id
GROUP BY waits.inbox_id, inboxes.name
ORDER BY inbox, waits.inbox_id;
